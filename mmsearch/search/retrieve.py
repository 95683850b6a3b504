"""First stage: filters, nearest neighbours, hits."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmsearch.catalog.reader import CatalogReader
from mmsearch.errors import QueryError
from mmsearch.index import Snapshot
from mmsearch.items import Hit
from mmsearch.search.query import Query


def retrieve(snapshot: Snapshot, query: Query, vector: NDArray[np.float32], k: int) -> list[Hit]:
    """The best k hits by inner product among the items that pass the query's filters.

    Args:
        snapshot: the index, held still.
        query: its filters count.
        vector: the query's embedding, float32, shape (dim,).
        k: at most so many.

    Raises:
        QueryError: k is not positive, or no indexed folder matches.
    """
    if k < 1:
        raise QueryError(f"The number of hits must be at least 1, not {k}.")
    scores, ids = snapshot.vectors.search(vector, k, among=_passing(snapshot.reader, query))
    items = snapshot.reader.items(ids.tolist())
    hits = []
    for rank, (score, item_id) in enumerate(zip(scores.tolist(), ids.tolist(), strict=True), 1):
        item = items[item_id]
        hits.append(
            Hit(
                rank=rank,
                score=score,
                relevance=None,
                path=item.path,
                modality=item.modality,
                item=item.id,
                asset=item.asset_id,
                text=item.text,
                start=item.start,
                end=item.end,
                info=item.info,
            )
        )
    return hits


def _passing(reader: CatalogReader, query: Query) -> NDArray[np.int64] | None:
    """Ids of the items that pass the filters; None where there are no filters."""
    if query.modality is None and query.folder is None:
        return None
    folders = None if query.folder is None else folders_matching(reader, query.folder)
    return reader.item_ids(modality=query.modality, folders=folders)


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
