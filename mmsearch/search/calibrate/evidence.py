"""What is known of a query before any single item is judged: how it stands to chance.

Three things tell a query that something answers from one that nothing does:

- the *lead*: how far its best items stand above its similarities to the whole medium;
- the *margin*: how far they stand above what texts in general reach at these very items. What
  looks like a dog is closer to most descriptions of dogs than to "a lighthouse", and
  so a query for a lighthouse, whose best photo shows a dog, stands below them;
- the *detail*: the lead again, by what the query says beyond texts in general alone. Much of what
  makes two things similar is what any text has, and the photo of a dog shows as well as another.

All are counted in the deviation of unrelated pairs, which makes them comparable across encoders.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import log

import numpy as np
from numpy.typing import NDArray

from mmsearch.search.normalise import Background

_BEST_SHARE, _MOST = 0.008, 8
_MOST_ITEMS = 100_000  # beyond what was seen when fitting by far
_NEAREST_SHARE = 0.034
"""Of the texts in general, the share that comes nearest to an item makes its level."""

_RIDGE = 0.001
"""Of the texts' variance, this much in a direction makes half of it theirs."""

_ROWS, _ALONE = 16, 2**18
"""Rows of a tile, and the multiplications up to which OpenBLAS computes a product in one thread."""


@dataclass(frozen=True)
class Chance:
    """The embeddings of texts in general: see `mmsearch.encoders.background`.

    Attributes:
        vectors: float32, shape (texts, dim), rows of unit length.
    """

    vectors: NDArray[np.float32]

    def levels(self, vectors: NDArray[np.floating]) -> NDArray[np.float64]:
        """What texts in general reach at each vector: the mean of the nearest, shape (n,)."""
        return _nearest(self._similarities(vectors))

    def unrelated(self, vectors: NDArray[np.floating]) -> Background:
        """What pairs of a text in general and one of these vectors have; at least one vector."""
        similarities = self._similarities(vectors)
        return Background(float(similarities.mean()), float(similarities.std()))

    def detail(self, text: NDArray[np.floating]) -> NDArray[np.float32]:
        """What a text says beyond texts in general.

        Its embedding less what they predict of it by ridge regression (Hoerl and Kennard 1970):
        a direction counts the less, the more they vary along it.

        Args:
            text: its embedding, shape (dim,).

        Returns:
            float32, shape (dim,), unit length, or zeros where nothing is left.
        """
        vector = text.astype(np.float32)
        rest = vector - (self._inverse @ (self.vectors @ vector)) @ self.vectors
        length = float(np.linalg.norm(rest))
        return (rest / length if length > 1e-6 else np.zeros_like(rest)).astype(np.float32)

    @cached_property
    def _inverse(self) -> NDArray[np.float32]:
        """(V V' + ridge)^-1 of the texts V, shape (texts, texts)."""
        ridge = np.eye(len(self.vectors), dtype=np.float32) * (_RIDGE * len(self.vectors))
        return np.linalg.inv(self.vectors @ self.vectors.T + ridge).astype(np.float32)

    def _similarities(self, vectors: NDArray[np.floating]) -> NDArray[np.float64]:
        """Inner products with the texts, shape (n, texts), in tiles that one thread computes.

        A single product would be shared with another thread, which on a busy machine is waited
        for a hundred times as long as it takes.
        """
        rows, texts = vectors.astype(np.float32), self.vectors
        similarities = np.empty((len(rows), len(texts)))
        width = max(1, _ALONE // (_ROWS * max(1, rows.shape[1])))
        for top in range(0, len(rows), _ROWS):
            tile = rows[top : top + _ROWS]
            for left in range(0, len(texts), width):
                columns = slice(left, left + width)
                similarities[top : top + len(tile), columns] = tile @ texts[columns].T
        return similarities


def _nearest(similarities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the highest of each row."""
    count = max(1, round(_NEAREST_SHARE * similarities.shape[1]))
    best: NDArray[np.float64] = np.partition(similarities, -count, axis=1)[:, -count:].mean(axis=1)
    return best


@dataclass(frozen=True, slots=True)
class Evidence:
    """How one query stands to one medium.

    Attributes:
        mean: of its similarities to the medium.
        unit: deviation of unrelated pairs, which the others are counted in; above 0.
        items: logarithm of how many the medium has.
        items_to_best: the same of how many there are to each of the best: the more, the further
            these stand out by chance.
        lead: of its best items over the mean.
        margin: of the same over their levels; 0 where none are known.
        detail: of the same, by what the query says beyond texts in general; 0 likewise.
    """

    mean: float
    unit: float
    items: float
    items_to_best: float
    lead: float
    margin: float
    detail: float

    @classmethod
    def of(
        cls,
        best: NDArray[np.floating],
        levels: NDArray[np.floating] | None,
        details: NDArray[np.floating] | None,
        *,
        mean: float,
        unit: float,
        items: int,
    ) -> Evidence:
        """Sums up a query's best similarities.

        Args:
            best: the highest similarities to the medium, best first; not empty.
            levels: of the same items; None where none are known.
            details: similarities of the same to the query's detail, less the mean of the medium's;
                None likewise.
            mean: of the similarities to the whole medium.
            unit: deviation of unrelated pairs.
            items: how many the medium has.
        """
        items = min(max(items, 1), _MOST_ITEMS)
        count = max(1, min(_MOST, round(_BEST_SHARE * items), len(best)))
        unit = max(unit, 1e-6)  # equal vectors have no spread
        top = best[:count].astype(np.float64)
        margin = 0.0 if levels is None else float((top - levels[:count]).mean()) / unit
        detail = 0.0 if details is None else float(details[:count].mean()) / unit
        lead = float(top.mean() - mean) / unit
        return cls(mean, unit, log(items), log(items / count), lead, margin, detail)
