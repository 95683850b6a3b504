"""What a folder means to an index."""

from __future__ import annotations

from pathlib import Path

from mmsearch.catalog.reader import CatalogReader
from mmsearch.errors import QueryError
from mmsearch.paths import absolute


def folders_matching(reader: CatalogReader, folder: Path) -> list[tuple[int, str]]:
    """What a folder means to an index, as (source id, path in the source) pairs.

    A path on disk that lies in a source or holds one, or else a path inside any source: after a
    move, or on another machine, ``--in 2024/beach`` still finds its photos.

    Raises:
        QueryError: nothing indexed matches.
    """
    on_disk = absolute(folder)
    sources = reader.sources()
    matches: list[tuple[int, str]] = []
    for source, root in sources.items():
        if root.is_relative_to(on_disk):
            matches.append((source, ""))
        elif on_disk.is_relative_to(root):
            inside = on_disk.relative_to(root).as_posix()
            if reader.has_assets_under(source, inside):
                matches.append((source, inside))
    if not matches and folder.parts and not folder.is_absolute():
        inside = folder.as_posix().strip("/")
        matches = [
            (source, inside) for source in sources if reader.has_assets_under(source, inside)
        ]
    if not matches:
        known = ", ".join(str(root) for root in sources.values()) or "none"
        raise QueryError(f"Nothing is indexed under {folder}; the indexed sources are: {known}.")
    return matches
