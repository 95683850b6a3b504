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

    def to_source(self, path: str) -> str:
        """A path relative to this part, as a path relative to the source."""
        if not self.within:
            return path
        return self.within if path == "." else f"{self.within}/{path}"


def scope_of(catalog: Catalog, path: Path, exclude: Sequence[str] | None) -> Scope:
    """Finds the source that holds a path, or makes the path one.

    A path inside a known source is that part of it. A folder that holds known sources takes them
    over, so that no photo is ever indexed twice through nested sources.

    Args:
        catalog: open for writing.
        path: absolute.
        exclude: glob patterns to leave out of the source from now on; None keeps what it has.
    """
    known = catalog.sources()
    for source in known:
        if path.is_relative_to(source.path):
            if exclude is not None and tuple(exclude) != source.exclude:
                with catalog.transaction() as change:
                    change.put_exclude(source.id, exclude)
                source = replace(source, exclude=tuple(exclude))
            within = path.relative_to(source.path).as_posix()
            return Scope(source, "" if within == "." else within)

    inner = [source for source in known if source.path.is_relative_to(path)]
    with catalog.transaction() as change:
        outer = change.add_source(path, exclude or ())
        for source in inner:
            prefix = source.path.relative_to(path).as_posix()
            change.absorb_source(source.id, outer.id, prefix)
    return Scope(outer)
