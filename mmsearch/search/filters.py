"""Which items may answer a query, settled before the best are chosen."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mmsearch.catalog.columns import Columns
from mmsearch.errors import QueryError
from mmsearch.search.language.conditions import Mask
from mmsearch.search.language.spot import syntax_error
from mmsearch.search.language.tree import Question
from mmsearch.search.lookup import required_items


def passing_items(columns: Columns, question: Question) -> Mask | None:
    """Which items meet all that a question asks for and hold what its words require.

    None where nothing is asked for.

    Returns:
        bool, shape (items,), in the order of ``columns.items``.

    Raises:
        QueryError: no indexed folder matches.
    """
    masks = list(_met(columns, question))
    required = required_items(columns.reader, question.words)
    if required is not None:
        masks.append(np.isin(columns.items, required, assume_unique=True))
    return np.logical_and.reduce(masks) if masks else None


def _met(columns: Columns, question: Question) -> Iterator[Mask]:
    for one in question.filters:
        try:
            yield one.condition.met(columns)
        except QueryError as error:
            if one.span is None:
                raise
            raise syntax_error(question.text, one.span, str(error)) from error
