"""From evidence to probabilities: logistic functions of a few standardised numbers (Platt 1999).

First, whether anything in the medium answers the query at all, from its lead, margin and detail;
then which items do, from how each stands to the best. How many items there are counts too: among
a thousand, something comes near by chance. ``benchmarks/calibration.py`` fits the parameters, and
``docs/relevance.md`` has the evidence.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.search.calibrate.evidence import Evidence
from mmsearch.search.normalise import Medium

_PARAMETERS = Path(__file__).with_name("parameters.json")


@dataclass(frozen=True, slots=True)
class Logistic:
    """The log-odds of something, linear in four numbers of the evidence.

    Attributes:
        bias: of the log-odds.
        lead: weight of how far similarities stand above the query's mean.
        margin: weight of how far they stand above the levels.
        detail: weight of how far items stand out by what the query says beyond texts in general.
        items: weight of the logarithm of how many items there are: in all for one item, to each
            of the best for the query as a whole.
    """

    bias: float
    lead: float
    margin: float
    detail: float
    items: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How queries of one medium and items of another become probabilities.

    Attributes:
        anything: of the query as a whole.
        item: of one item, by its difference to the best; its bias and its weight of the number of
            items count in addition.
        carried: how much of the query's log-odds an item's are.
    """

    anything: Logistic
    item: Logistic
    carried: float

    def answered(self, evidence: Evidence) -> float:
        """Probability that anything in the medium answers the query."""
        return float(_probability(np.array(self._log_odds(evidence))))

    def relevance(
        self,
        similarities: NDArray[np.floating],
        levels: NDArray[np.floating] | None,
        details: NDArray[np.floating] | None,
        evidence: Evidence,
    ) -> NDArray[np.float64]:
        """Probabilities that items answer the query.

        Args:
            similarities: inner products of the items with the query, shape (n,).
            levels: of the same items, shape (n,); None where none are known.
            details: their similarities to the query's detail, less the mean of the medium's, shape
                (n,); None likewise.
            evidence: of the query in the items' medium.

        Returns:
            float64 in 0..1, shape (n,).
        """
        values = similarities.astype(np.float64)
        lead = (values - evidence.mean) / evidence.unit - evidence.lead
        odds = (
            self.item.bias
            + self.carried * self._log_odds(evidence)
            + self.item.lead * lead
            + self.item.items * evidence.items
        )
        if levels is not None:
            margin = (values - levels) / evidence.unit - evidence.margin
            odds = odds + self.item.margin * margin
        if details is not None:
            odds = odds + self.item.detail * (details / evidence.unit - evidence.detail)
        return _probability(odds)

    def _log_odds(self, evidence: Evidence) -> float:
        return (
            self.anything.bias
            + self.anything.lead * evidence.lead
            + self.anything.margin * evidence.margin
            + self.anything.detail * evidence.detail
            + self.anything.items * evidence.items_to_best
        )


@cache
def calibration(asked: Medium, found: Medium, *, levels: bool) -> Calibration:
    """The calibration of queries of one medium that are answered by items of another.

    Args:
        asked: medium of the query.
        found: medium of the items.
        levels: whether what texts in general reach is known.
    """
    row = _parameters()[f"{asked.value} to {found.value}"]["levels" if levels else "plain"]
    return Calibration(Logistic(**row["anything"]), Logistic(**row["item"]), row["carried"])


def least_answered(found: Medium) -> float:
    """Below this probability that anything in a medium answers a query, nothing does.

    Of queries that nothing answers, one in ten is above it.
    """
    return float(_parameters()["answered"][found.value])


@cache
def _parameters() -> dict[str, dict[str, Any]]:
    parsed: dict[str, dict[str, Any]] = json.loads(_PARAMETERS.read_text(encoding="utf-8"))
    return parsed


def _probability(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    probability: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(log_odds, -60, 60)))
    return probability
