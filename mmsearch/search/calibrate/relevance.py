"""From similarities and matched words to the probability that an item answers the query.

A similarity counts by how far it stands out from the query's similarities to the whole medium, in
standard deviations, which is comparable across queries and encoders; a logistic function of that
is the probability (Platt 1999). Words that match are evidence of their own: an item answers
when its meaning does or its words do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmsearch.search.normalise import Medium, Scale

_LITERAL = 0.95
"""Relevance of an item that holds all the words of the query."""

_COVERAGE_POWER = 3  # as of the gains: what shares a word or two is no answer


@dataclass(frozen=True, slots=True)
class Calibration:
    """How similarities of one pair of media become relevance.

    Attributes:
        even: standard deviations above the query's mean at which an item is as likely to answer
            as not.
        slope: of the log-odds, for each standard deviation.
    """

    even: float
    slope: float

    def relevance(self, similarities: NDArray[np.floating], scale: Scale) -> NDArray[np.float64]:
        """Probabilities that items answer the query, by their similarity to it alone.

        Args:
            similarities: inner products of the items with one query, of any shape.
            scale: of the query in the medium of the items.

        Returns:
            float64 in 0..1, in the shape of the similarities; never falls where they rise.
        """
        apart = (similarities.astype(np.float64) - scale.mean) / scale.deviation
        probability: NDArray[np.float64] = 1 / (
            1 + np.exp(np.clip(-self.slope * (apart - self.even), -60, 60))
        )
        return probability


_ACROSS = Calibration(even=3.5, slope=1.5)
_WITHIN = Calibration(even=3.5, slope=1.5)


def calibration(asked: Medium, found: Medium) -> Calibration:
    """The calibration of queries of one medium that are answered by items of another."""
    return _WITHIN if asked is found else _ACROSS


def of_words(coverage: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities that items answer the query, by the words they hold alone.

    Args:
        coverage: share of the query's words, by weight, that each item holds, in 0..1.
    """
    return _LITERAL * coverage**_COVERAGE_POWER


def either(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability that at least one of two independent pieces of evidence holds (noisy-or)."""
    return 1 - (1 - one) * (1 - other)
