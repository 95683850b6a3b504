"""Which items may answer a query, settled before the best are chosen."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmsearch.catalog.reader import CatalogReader
from mmsearch.errors import QueryError
from mmsearch.search.lookup import required_items
from mmsearch.search.query import Query
from mmsearch.search.words import Words


def passing_items(reader: CatalogReader, query: Query, words: Words) -> NDArray[np.int64] | None:
    """Ids of the items in the query's folder that hold what its words require, ascending.

    None where neither is asked for.

    Raises:
        QueryError: no indexed folder matches.
    """
    required = required_items(reader, words)
    if query.folder is None:
        return required
    inside = reader.item_ids(folders=folders_matching(reader, query.folder))
    return inside if required is None else np.intersect1d(inside, required, assume_unique=True)


def folders_matching(reader: CatalogReader, folder: Path) -> list[tuple[int, str]]:
    """What a folder means to an index, as (source id, path in the source) pairs.

    A path on disk that lies in a source or holds one, or else a path inside any source: after a
    move, or on another machine, ``--in 2024/beach`` still finds its photos.

    Raises:
        QueryError: nothing indexed matches.
    """
    absolute = Path(os.path.abspath(folder))  # noqa: PTH100 - resolves ".." without the disk
    sources = reader.sources()
    matches: list[tuple[int, str]] = []
    for source, root in sources.items():
        if root.is_relative_to(absolute):
            matches.append((source, ""))
        elif absolute.is_relative_to(root):
            inside = absolute.relative_to(root).as_posix()
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
