"""What the words of a query find: which items must be passed over, and which gain.

A word tells the more the rarer it is: its weight is the negative logarithm of the share of texts
(or of file names, where it stands in one) that hold it, as in Robertson and Sparck Jones 1976.
An item's gain is the weight of its words times the cube of its coverage, their share in the
weight of all the words asked for. So a name that is matched in full outweighs every similarity,
and a sentence that happens to share a word or two gains next to nothing. ``docs/search.md`` has
the evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, reduce
from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmsearch.catalog.columns import Columns
from mmsearch.catalog.reader import CatalogReader
from mmsearch.search.words import Words

WEIGHT = 0.7
"""Standard deviations of similarity that a unit of weight is worth, at full coverage."""

_COVERAGE_POWER = 3
EVERYWHERE = 20_000
"""A word in more texts or names than this tells little of what is wanted, and is not looked up."""

_REMEMBERED = 64  # words that were looked up lately

# Before any text is seen, a word is in one of a thousand; worth fifty texts of evidence.
_PRIOR_TEXTS, _PRIOR_SHARE = 50, 1e-3


@dataclass(frozen=True, slots=True)
class Gains:
    """The items that hold words of the query, and what they gain by it.

    Attributes:
        ids: item ids, int64, ascending, shape (n,).
        values: gains in standard deviations of similarity, float64, shape (n,), above 0.
        coverage: share of the words asked for, by weight, that each holds, float64, shape (n,).
    """

    ids: NDArray[np.int64]
    values: NDArray[np.float64]
    coverage: NDArray[np.float64]

    def of(self, ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """The gains of any items, 0 where they hold no word."""
        return self._of(self.values, ids)

    def coverage_of(self, ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """The coverage of any items, 0 where they hold no word."""
        return self._of(self.coverage, ids)

    def _of(self, column: NDArray[np.float64], ids: NDArray[np.int64]) -> NDArray[np.float64]:
        if not len(self.ids):
            return np.zeros(len(ids))
        at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[at] == ids, column[at], 0.0)

    def best(self, count: int) -> NDArray[np.int64]:
        """Ids of the items that gain most, ascending: ``count``, and all that gain as much."""
        if count >= len(self.ids):
            return self.ids
        least = float(np.partition(self.values, -count)[-count])
        return self.ids[self.values >= least]

    def among(self, ids: NDArray[np.int64]) -> Gains:
        """Only those of the items with these ids, int64, ascending."""
        at = np.minimum(np.searchsorted(ids, self.ids), max(0, len(ids) - 1))
        return self._kept(ids[at] == self.ids if len(ids) else np.zeros(len(self.ids), bool))

    def without(self, ids: Sequence[int]) -> Gains:
        """Only those of other items."""
        return self._kept(~np.isin(self.ids, ids)) if ids else self

    def _kept(self, kept: NDArray[np.bool_]) -> Gains:
        return Gains(self.ids[kept], self.values[kept], self.coverage[kept])


def required_items(reader: CatalogReader, words: Words) -> NDArray[np.int64] | None:
    """Ids of the items that hold every required phrase and prefix, in text or file name.

    None where nothing is required.
    """
    if not words.required:
        return None
    found = [
        np.union1d(reader.items_with_text(expression), reader.items_with_name(expression))
        for expression in words.required
    ]
    return reduce(np.intersect1d, found)


def gains(columns: Columns, words: Words, *, texts: int, at_most: int | None = None) -> Gains:
    """What items gain by the words they hold.

    Args:
        columns: of the index.
        words: of the query.
        texts: how many items have text.
        at_most: words in more texts or names are left out; `EVERYWHERE` unless given.
    """
    at_most = EVERYWHERE if at_most is None else at_most
    matches: list[_Matches] = []
    asked = 0.0
    for expression in words.all:
        read = partial(_look_up, columns, expression, texts, at_most)
        if at_most <= EVERYWHERE:  # the same few words are in most queries
            key = expression, texts, at_most
            found = columns.lately("words", key, read, keep=_REMEMBERED)
        else:
            found = read()
        if isinstance(found, _Matches):
            matches.append(found)
            asked += found.share
        else:
            asked += found
    if not matches:
        return Gains(np.empty(0, dtype=np.int64), np.empty(0), np.empty(0))
    together = np.concatenate([found.ids for found in matches])
    # Asked for the first places too, it sorts by merging what is in order already.
    ids, _, place = np.unique(together, return_index=True, return_inverse=True)
    weights = np.concatenate([found.weights for found in matches])
    # A word covers the same share of the query in a text as in a name, where it may be less rare.
    shares = np.concatenate([np.full(len(found.ids), found.share) for found in matches])
    coverage = np.bincount(place, weights=shares) / asked
    gained = np.bincount(place, weights=weights) * coverage**_COVERAGE_POWER
    return Gains(ids, WEIGHT * gained, coverage)


class _Matches(NamedTuple):
    """The items that hold a word, ascending, what it weighs in each, and in the query."""

    ids: NDArray[np.int64]
    weights: NDArray[np.float64]
    share: float


def _look_up(columns: Columns, expression: str, texts: int, at_most: int) -> _Matches | float:
    """What holds a word; its share in the query alone where nothing, or too much, does."""
    reader = columns.reader
    holding = reader.items_with_text(expression, limit=at_most + 1)
    in_texts = len(holding)
    in_names = reader.count_matching_names(expression, limit=at_most + 1)
    parts: list[tuple[NDArray[np.int64], float]] = []
    if 0 < in_texts <= at_most:
        parts.append((holding, _telling(in_texts, texts)))
    if 0 < in_names <= at_most:
        weight = _telling(in_names, columns.count_names())
        parts.append((reader.items_with_name(expression), weight))
    if parts:
        return _strongest(parts)
    return 0.0 if in_texts or in_names else -log(_PRIOR_SHARE)


def _telling(holding: int, of: int) -> float:
    """The weight of a word that so many of the texts hold."""
    return -log((holding + _PRIOR_TEXTS * _PRIOR_SHARE) / (max(of, holding) + _PRIOR_TEXTS))


def _strongest(parts: Sequence[tuple[NDArray[np.int64], float]]) -> _Matches:
    """Each item once, with the higher weight where both its text and its name hold the word."""
    ids = np.concatenate([ids for ids, _ in parts])
    weights = np.concatenate([np.full(len(ids), weight) for ids, weight in parts])
    order = np.lexsort((-weights, ids))
    ids, first = np.unique(ids[order], return_index=True)
    return _Matches(ids, weights[order][first], max(weight for _, weight in parts))
