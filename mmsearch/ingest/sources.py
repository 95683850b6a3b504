"""What a path given by the user means to an index: a new source, or a part of a known one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmsearch.catalog.catalog import Catalog
from mmsearch.catalog.records import Source


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of a source that one run looks at; ``within`` is "" for all of it."""

    source: Source
    within: str = ""

    @property
    def root(self) -> Path:
        """Absolute path of the part."""
        return self.source.path / self.within

    def holds(self, path: str) -> bool:
        """Whether a path relative to the source lies in this part."""
        return not self.within or path == self.within or path.startswith(f"{self.within}/")

    def name_of(self, path: str) -> str:
        """How others speak of a path relative to the source: a single file has its own name."""
        return self.source.path.name if path == "." else path

    def to_source(self, path: str) -> str:
        """A path relative to this part, as a path relative to the source."""
        if not self.within:
            return path
        return self.within if path == "." else f"{self.within}/{path}"


def scope_of(
    catalog: Catalog,
    path: Path,
    *,
    exclude: Sequence[str] | None = None,
    ocr: bool | None = None,
    caption_files: Sequence[Path] = (),
) -> Scope:
    """Finds the source that holds a path, or makes the path one.

    A path inside a known source is that part of it. A folder that holds known sources takes them
    over, so that no file is ever indexed twice through nested sources.

    Args:
        catalog: open for writing.
        path: absolute.
        exclude: glob patterns to leave out of the source from now on; None keeps what it has.
        ocr: whether the text in its photos is read from now on; None keeps what it has.
        caption_files: absolute paths of files that hold captions of its photos, in addition to
            those that are known.
    """
    known = catalog.sources()
    held_by = next((source for source in known if path.is_relative_to(source.path)), None)
    if held_by is None:
        inner = [source for source in known if source.path.is_relative_to(path)]
        with catalog.transaction() as change:
            source = change.add_source(path, exclude or (), ocr=bool(ocr))
            for other in inner:
                prefix = other.path.relative_to(path).as_posix()
                change.absorb_source(other.id, source.id, prefix)
    else:
        source = replace(
            held_by,
            exclude=held_by.exclude if exclude is None else tuple(exclude),
            ocr=held_by.ocr if ocr is None else ocr,
        )
        if source != held_by:
            with catalog.transaction() as change:
                change.put_source_settings(source)
    if any(file not in source.caption_files for file in caption_files):
        with catalog.transaction() as change:
            for file in caption_files:
                change.add_caption_file(source.id, file)
    stored = next(s for s in catalog.sources() if s.id == source.id)
    within = path.relative_to(stored.path).as_posix()
    return Scope(stored, "" if within == "." else within)
