"""Which parts of an index's sources to look at when some paths in them have changed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from stat import S_ISDIR

from mmsearch.catalog.records import Source
from mmsearch.ingest.sources import Scope
from mmsearch.media.discover import is_hidden, is_system_folder
from mmsearch.media.exclude import Excluder


def changed_scopes(sources: Sequence[Source], changed: Iterable[Path]) -> list[Scope]:
    """The parts of sources that hold everything that may be different now, none inside another.

    What changed may have come, gone, or be a file or a folder. Hidden and excluded folders are
    passed over, as they are when the whole source is walked; so are sources that are not there.

    Args:
        sources: of the index.
        changed: absolute paths.
    """
    parts: dict[int, set[str]] = {source.id: set() for source in sources}
    for path in set(changed):
        for source in sources:
            if path in source.caption_files:
                parts[source.id].add("")
            elif path.is_relative_to(source.path):
                within = _folder_to_look_at(source, path)
                if within is not None:
                    parts[source.id].add(within)
    return [
        Scope(source, within)
        for source in sources
        if os.path.exists(source.path)  # noqa: PTH110 - never raises, also where it may not be asked
        for within in _outermost(parts[source.id])
    ]


def _folder_to_look_at(source: Source, path: Path) -> str | None:
    """The folder of a source in which a change shows, relative to it and "" for all of it.

    None where nothing is looked at: below a hidden, excluded or system folder.
    """
    relative = path.relative_to(source.path)
    excluder = Excluder(source.exclude)
    folder = source.path
    within = ""
    for name in relative.parts:
        inner = folder / name
        try:
            status = inner.stat()
        except OSError:  # gone or out of reach: it shows in the folder that held it
            break
        if not S_ISDIR(status.st_mode) or _is_empty(inner):  # of an empty one it shows there too
            break
        if name.startswith(".") or is_system_folder(str(inner)) or is_hidden(status):
            return None
        if inner.is_symlink():  # what it leads to may have a path of its own in the source
            return ""
        joined = PurePosixPath(within, name).as_posix()
        if excluder.excludes(joined, is_folder=True):
            return None
        folder, within = inner, joined
    return within


def _is_empty(folder: Path) -> bool:
    """Whether a folder holds nothing; an empty part of a source looks like a missing drive."""
    try:
        return next(folder.iterdir(), None) is None
    except OSError:
        return False


def _outermost(parts: Iterable[str]) -> Iterator[str]:
    """Parts without those that lie in another one, in order."""
    last: str | None = None
    for part in sorted(parts, key=lambda part: part.split("/") if part else []):
        if last is None or not (last == "" or part == last or part.startswith(f"{last}/")):
            last = part
            yield part
