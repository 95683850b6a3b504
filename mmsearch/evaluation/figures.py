"""The figures of a ranking, with bootstrap confidence intervals.

The captions of one photo fare alike, so it is photos that are drawn again, each with all its
queries: a cluster bootstrap with percentile intervals (Efron and Tibshirani 1993; Davison and
Hinkley 1997, section 3.8). The gallery stays as it is. The draws come from a fixed seed and are
the same for any two rankings of the same queries, so that their difference is a paired one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmsearch.evaluation.ranking import Ranking

RECALLS = (1, 5, 10)
NAMES = (*(f"R@{k}" for k in RECALLS), "MRR", "mAP", "median_rank")
"""The figures: all in percent but the median rank."""

RESAMPLES = 1000
LEVEL = 95  # percent

_SEED = 0
_BLOCK = 50  # draws at once

Samples: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value and its 95% confidence interval."""

    value: float
    low: float
    high: float


Figures: TypeAlias = Mapping[str, Figure]
"""By the names in `NAMES`."""


def figures_of(ranking: Ranking) -> dict[str, Figure]:
    """The figures of a ranking."""
    return _with_intervals(_point(ranking), _resampled(ranking))


def differences(ranking: Ranking, other: Ranking) -> dict[str, Figure]:
    """How much higher the figures of a ranking are than those of another of the same queries.

    An interval that holds 0 says that the difference may be chance.
    """
    point, other_point = _point(ranking), _point(other)
    samples = _resampled(ranking) - _resampled(other)
    return _with_intervals(point - other_point, samples)


def _with_intervals(point: Samples, samples: Samples) -> dict[str, Figure]:
    tail = (100 - LEVEL) / 2
    low, high = np.percentile(samples, [tail, 100 - tail], axis=0)
    return {
        name: Figure(*map(float, figure))
        for name, *figure in zip(NAMES, point, low, high, strict=True)
    }


def _measures(ranking: Ranking) -> NDArray[np.float64]:
    """What each query adds to the means, in percent, shape (queries, 5)."""
    ranks = ranking.ranks
    recalls = [ranks <= k for k in RECALLS]
    return 100 * np.stack([*recalls, 1 / ranks, ranking.average_precisions], axis=1)


def _point(ranking: Ranking) -> Samples:
    """The figures, shape (6,)."""
    return np.append(_measures(ranking).mean(axis=0), np.median(ranking.ranks))


def _resampled(ranking: Ranking) -> Samples:
    """The figures of each draw, shape (draws, 6)."""
    _, photo = np.unique(ranking.relevance.photo, return_inverse=True)
    measures = _measures(ranking)
    ones = np.ones((len(photo), 1))
    sums = np.zeros((int(photo.max()) + 1, measures.shape[1] + 1))
    np.add.at(sums, photo, np.concatenate([measures, ones], axis=1))

    ranks = ranking.ranks
    by_rank = np.argsort(ranks)
    drawn: list[Samples] = []
    for counts in _draws(len(sums)):
        totals = counts @ sums
        means = totals[:, :-1] / totals[:, -1:]
        medians = _medians(ranks[by_rank], counts[:, photo[by_rank]])
        drawn.append(np.concatenate([means, medians[:, None]], axis=1))
    return np.concatenate(drawn)


def _draws(photos: int) -> Iterator[NDArray[np.int64]]:
    """How often each photo is drawn, shape (draws, photos), in blocks; the same every time."""
    generator = np.random.default_rng(_SEED)
    for _ in range(0, RESAMPLES, _BLOCK):
        drawn = generator.integers(photos, size=(_BLOCK, photos))
        drawn += photos * np.arange(_BLOCK)[:, None]
        yield np.bincount(drawn.ravel(), minlength=_BLOCK * photos).reshape(_BLOCK, photos)


def _medians(ranks: NDArray[np.int64], counts: NDArray[np.int64]) -> Samples:
    """Medians of ascending ranks that occur so often, shape (draws,)."""
    upto = np.cumsum(counts, axis=1, dtype=np.int32)
    medians = np.empty(len(counts))
    for draw, row in enumerate(upto):
        middle = ((row[-1] - 1) // 2, row[-1] // 2)
        medians[draw] = ranks[np.searchsorted(row, middle, side="right")].mean()
    return medians
