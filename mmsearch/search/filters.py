"""Which items may answer a query, settled before the best are chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mmsearch.catalog.columns import Columns
from mmsearch.search.language.conditions import Condition, InFolder, Mask, OfModality
from mmsearch.search.lookup import required_items
from mmsearch.search.query import Query
from mmsearch.search.words import Words


def passing_items(columns: Columns, query: Query, words: Words) -> Mask | None:
    """Which items meet all that a query asks for and hold what its words require.

    None where nothing is asked for.

    Returns:
        bool, shape (items,), in the order of ``columns.items``.

    Raises:
        QueryError: no indexed folder matches.
    """
    masks = list(_met(columns, list(_conditions(query))))
    required = required_items(columns.reader, words)
    if required is not None:
        masks.append(np.isin(columns.items, required, assume_unique=True))
    return np.logical_and.reduce(masks) if masks else None


def _conditions(query: Query) -> Iterator[Condition]:
    if query.modality is not None:
        yield OfModality(frozenset((query.modality,)))
    if query.folder is not None:
        yield InFolder(query.folder)


def _met(columns: Columns, conditions: Sequence[Condition]) -> Iterator[Mask]:
    for condition in conditions:
        yield condition.met(columns)
