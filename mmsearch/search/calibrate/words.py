"""Words that match are evidence of their own: an item answers by its meaning or by its words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LITERAL = 0.95
"""Relevance of an item that holds all the words of the query."""

_COVERAGE_POWER = 3  # as of the gains: what shares a word or two is no answer


def of_words(coverage: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities that items answer the query, by the words they hold alone.

    Args:
        coverage: share of the query's words, by weight, that each item holds, in 0..1.
    """
    return _LITERAL * coverage**_COVERAGE_POWER


def either(one: NDArray[np.float64] | float, other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability that at least one of two independent pieces of evidence holds (noisy-or)."""
    return 1 - (1 - one) * (1 - other)
