"""Feedback: more like these items, less like those, as the user said of earlier hits.

Rocchio (1971): the query moves towards the mean of the items that were liked and away from the mean
of those that were not. In the embedding space of a dual encoder a text's similarities to photos lie
far below those between photos, but they spread as widely, and only the spread orders anything: so
the terms can be added as they are. What is disliked is mostly right in an item that a query has
found, so it weighs little, and the item itself leaves. ``docs/search.md`` has the evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmsearch.catalog.columns import Columns
from mmsearch.errors import QueryError
from mmsearch.search.reference import resolve_items
from mmsearch.search.sought import Sought, direction_of

MORE = 0.5
"""What the mean of liked items counts beside a query of length 1."""

LESS = 0.1
"""What the mean of disliked items counts against it."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What was said of items, each by its name: see `mmsearch.search.reference`.

    Attributes:
        more: items to find more of; they stay where they rank.
        less: items to find less of; they and all of their files leave the results.
    """

    more: tuple[str, ...] = ()
    less: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.more or self.less)


def with_feedback(sought: Sought, feedback: Feedback, columns: Columns) -> Sought:
    """What is sought after feedback.

    Args:
        sought: what a query asks for; may be nothing, where items to find more of are named.
        feedback: what was said of items.
        columns: of the index.

    Raises:
        QueryError: nothing that is indexed has one of the names, an item has no embedding, or
            there is nothing to find less of.
    """
    if not feedback:
        return sought
    if not (feedback.more or sought.wanted):
        raise QueryError(
            "There is nothing to find less of: add a query, or an item to find more of."
        )
    more, less = _items(feedback.more, columns), _items(feedback.less, columns)
    length = sought.length
    share = MORE if sought.wanted else 1.0  # alone, what is liked is the query
    return replace(
        sought,
        wanted=(
            *sought.wanted,
            *(direction_of(named, share * length / len(more), columns.reader) for named in more),
            *(direction_of(named, -LESS * length / len(less), columns.reader) for named in less),
        ),
        itself=tuple(sorted({*sought.itself, *_items_of_same_files(less, columns)})),
    )


def _items(names: Iterable[str], columns: Columns) -> list[list[int]]:
    """The items of each name."""
    return [resolve_items(columns.reader, name) for name in dict.fromkeys(names)]


def _items_of_same_files(named: Iterable[Sequence[int]], columns: Columns) -> list[int]:
    """The items of all files that items are of."""
    items = [item for items in named for item in items]
    files = columns.asset_of_item[np.isin(columns.items, items)]
    found: list[int] = columns.items[np.isin(columns.asset_of_item, files)].tolist()
    return found
