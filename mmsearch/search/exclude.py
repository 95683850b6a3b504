"""What must not be there: how little an item speaks of it.

Nothing in an embedding says "no": the vector of "a dog without a ball" lies near photos of dogs
with balls. So what is unwanted is embedded by itself, and counts in two ways. Six tenths of it are
taken off what is searched for (`mmsearch.search.sought`), which settles what similarities can. Then
the evidence that it is there, in what an item shows or says and in what captions say about it,
counts against it:

    score + WEIGHT x log(1 - p(unwanted is there))

``docs/query-language.md`` has the evidence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmsearch.catalog.columns import Columns
from mmsearch.items import Modality
from mmsearch.search.lookup import gains
from mmsearch.search.sought import Direction
from mmsearch.search.words import Words

WEIGHT = 0.75
"""Standard deviations of similarity that a unit of log-probability is worth."""

_EVEN, _SLOPE = 2.0, 2.0
"""Deviations above the mean where something is as likely there as not, and how steeply."""

_NAMED, _COVERAGE_POWER = 0.95, 3
"""How likely something is there that is named in full; sharing a word or two says little."""

_LEAST = 1e-6  # of a probability, before its logarithm is taken

_ABOUT_ALL = (Modality.IMAGE, Modality.CAPTION, Modality.OCR)
"""What is said in a caption, or stands in a photo, is true of the whole of it. What is said in one
minute of a recording is not true of another."""


@dataclass(frozen=True, slots=True)
class Exclusion:
    """One thing that must not be there.

    Attributes:
        direction: what it is.
        named: probabilities that items or their captions name it, float64, shape (items,), in the
            order of ``columns.items``; None where none does.
        items: ids of all items, int64, ascending.
    """

    direction: Direction
    named: NDArray[np.float64] | None
    items: NDArray[np.int64]

    @classmethod
    def of(cls, direction: Direction, columns: Columns, *, texts: int) -> Exclusion:
        """Looks up who names it.

        Args:
            direction: what it is.
            columns: of the index.
            texts: how many items have text.
        """
        words = direction.words
        named = None if words is None or not words.all else _named(columns, words, texts)
        return cls(direction, named, columns.items)

    def log_absent(self, ids: NDArray[np.int64], apart: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logarithms of the probabilities that it is not there, float64, shape (n,).

        Args:
            ids: items.
            apart: how far above the mean of their medium their similarities to it are, in
                standard deviations, shape (n,).
        """
        shown = -np.logaddexp(0.0, _SLOPE * (apart - _EVEN))
        if self.named is None:
            return shown
        named = self.named[np.searchsorted(self.items, ids)]
        return shown + np.log(np.maximum(1 - named, _LEAST))


def _named(columns: Columns, words: Words, texts: int) -> NDArray[np.float64] | None:
    """Probabilities that items name something, or that the captions of their photo do."""
    # However many name it: of the words of "brown dog", "brown" alone must not stand for both.
    everywhere = len(columns.items) + len(columns.assets)
    found = gains(columns, words, texts=texts, at_most=everywhere)
    if not len(found.ids):
        return None
    named = np.zeros(len(columns.items))
    coverage = found.coverage_of(found.ids)
    named[np.searchsorted(columns.items, found.ids)] = _NAMED * coverage**_COVERAGE_POWER
    about_all = columns.of_modality(*_ABOUT_ALL)
    of_asset = np.zeros(len(columns.assets))
    np.maximum.at(of_asset, columns.asset_of_item[about_all], named[about_all])
    return np.where(about_all, of_asset[columns.asset_of_item], named)
