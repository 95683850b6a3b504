"""What is known of a query before any single item is judged: how it stands to chance.

Two things tell a query that something answers from one that nothing does:

- the *lead*: how far its best items stand above its similarities to the whole medium;
- the *margin*: how far they stand above what texts in general reach at these very items. What
  looks like a dog is closer to most descriptions of dogs than to "a lighthouse", and
  so a query for a lighthouse, whose best photo shows a dog, stands below them.

Both are counted in the deviation of unrelated pairs, which makes them comparable across encoders.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmsearch.search.normalise import Background

_BEST_SHARE, _MOST = 0.008, 8
_NEAREST_SHARE = 0.034
"""Of the texts in general, the share that comes nearest to an item makes its level."""


@dataclass(frozen=True, slots=True)
class Chance:
    """The embeddings of texts in general: see `mmsearch.encoders.background`.

    Attributes:
        vectors: float32, shape (texts, dim).
    """

    vectors: NDArray[np.float32]

    def levels(self, vectors: NDArray[np.floating]) -> NDArray[np.float64]:
        """What texts in general reach at each vector: the mean of the nearest, shape (n,)."""
        return _nearest(self._similarities(vectors))

    def unrelated(self, vectors: NDArray[np.floating]) -> Background:
        """What pairs of a text in general and one of these vectors have; at least one vector."""
        similarities = self._similarities(vectors)
        return Background(float(similarities.mean()), float(similarities.std()))

    def _similarities(self, vectors: NDArray[np.floating]) -> NDArray[np.float64]:
        return (vectors.astype(np.float32) @ self.vectors.T).astype(np.float64)


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
        items: how many the medium has.
        lead: of its best items over the mean.
        margin: of the same over their levels; 0 where none are known.
    """

    mean: float
    unit: float
    items: int
    lead: float
    margin: float

    @classmethod
    def of(
        cls,
        best: NDArray[np.floating],
        levels: NDArray[np.floating] | None,
        *,
        mean: float,
        unit: float,
        items: int,
    ) -> Evidence:
        """Sums up a query's best similarities.

        Args:
            best: the highest similarities to the medium, best first; not empty.
            levels: of the same items; None where none are known.
            mean: of the similarities to the whole medium.
            unit: deviation of unrelated pairs.
            items: how many the medium has.
        """
        count = max(1, min(_MOST, round(_BEST_SHARE * items), len(best)))
        unit = max(unit, 1e-6)  # equal vectors have no spread
        top = best[:count].astype(np.float64)
        margin = 0.0 if levels is None else float((top - levels[:count]).mean()) / unit
        return cls(mean, unit, items, float(top.mean() - mean) / unit, margin)
