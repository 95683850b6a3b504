"""The items of each medium, read from the catalog only as far as a query needs them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mmsearch.index import Snapshot
from mmsearch.search.normalise import Medium


def population(snapshot: Snapshot) -> Mapping[Medium, NDArray[np.int64]]:
    """Ids of all searchable items by medium, int64, ascending; media without any are left out.

    The same arrays for every query of a generation, so that the vector store knows them again.
    """
    return snapshot.columns.once("population", lambda: _by_medium(snapshot))


def _by_medium(snapshot: Snapshot) -> dict[Medium, NDArray[np.int64]]:
    """All ids are at hand in the vector store: only those of the rarer medium must be read."""
    held, reader = snapshot.vectors.ids, snapshot.reader
    present = reader.modalities()
    media = [medium for medium in Medium if present.intersection(medium.modalities)]
    if len(media) > 1:
        limit = len(held) // 2 + 1
        rarer = min(media, key=lambda one: reader.count_items_of(one.modalities, limit=limit))
        is_rarer = np.isin(held, reader.items_of(rarer.modalities), assume_unique=True)
        found = {one: held[is_rarer if one is rarer else ~is_rarer] for one in media}
    else:
        found = dict.fromkeys(media, held)
    return {medium: ids for medium, ids in found.items() if len(ids)}
