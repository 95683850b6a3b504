"""Plain nearest neighbours of a vector: no words, no scales, no relevance.

For callers that compare embeddings themselves; people are answered by `mmsearch.search.answer`.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import QueryError
from mmsearch.index import Snapshot
from mmsearch.items import Hit, Modality
from mmsearch.search.duplicates.fold import Copies
from mmsearch.search.ranked import hit_at


def nearest(
    snapshot: Snapshot,
    vector: NDArray[np.floating],
    k: int,
    *,
    modalities: Collection[Modality],
    fold: bool = False,
) -> list[Hit]:
    """The items whose embeddings have the largest inner product with a vector.

    Args:
        snapshot: the index, held still.
        vector: shape (dim,), of any length but 0; it is brought to unit length.
        k: at most so many items are looked at.
        modalities: only items of these.
        fold: of items that show the same, only the nearest stays, and lists the others.

    Returns:
        A hit for each item, best first. ``score`` and ``similarity`` are the inner product;
        there is no relevance.

    Raises:
        QueryError: the vector is not one of the index's encoder.
    """
    columns = snapshot.columns
    among = columns.items[columns.of_modality(*modalities)]
    if not len(among):
        return []
    similarities, ids = snapshot.vectors.search(
        _unit(vector, snapshot.encoder.dim),
        min(k, len(among)),
        among=None if len(among) == len(snapshot.vectors.ids) else among,
    )
    items = snapshot.reader.items(ids.tolist())
    hits = [
        hit_at(rank, items[number], score=similarity, relevance=None, similarity=similarity)
        for rank, (number, similarity) in enumerate(
            zip(ids.tolist(), similarities.tolist(), strict=True), 1
        )
    ]
    return Copies.among(snapshot.reader, hits).fold(hits, grouped=False) if fold else hits


def _unit(vector: NDArray[np.floating], dim: int) -> NDArray[np.float32]:
    values = np.asarray(vector, dtype=np.float64)
    if values.shape != (dim,):
        raise QueryError(
            f"Embeddings of this index have {dim} numbers, and {values.size} were given: make the "
            "embedding with the index's own encoder."
        )
    length = float(np.linalg.norm(values))
    if not 0 < length < np.inf:
        raise QueryError("An embedding must hold finite numbers, and not zeros alone.")
    return (values / length).astype(np.float32)
