"""Judges the candidates of one query in one medium."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmsearch.index import Snapshot
from mmsearch.search.calibrate.calibration import calibration
from mmsearch.search.calibrate.evidence import Chance, Evidence
from mmsearch.search.normalise import Background, Medium, Scale, unrelated

_SAMPLE = 50  # items that tell what unrelated pairs have

_EQUAL, _SAME = 0.999, 0.95
"""A picture so similar to the one that is asked with is that one, or a copy; so likely it answers.

The calibration was fitted without such pairs.
"""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is thought of candidates.

    Attributes:
        relevance: probability that each answers the query, float64, shape (n,).
        answered: probability that anything in the medium does; None where no texts in general
            are there to compare with, and the lead alone does not tell.
    """

    relevance: NDArray[np.float64]
    answered: float | None


@dataclass(frozen=True, slots=True)
class Judge:
    """Knows what chance looks like under the encoder of an index.

    Attributes:
        snapshot: of the index; what does not depend on the query is kept with its columns.
        chance: texts in general; None in an index that was made before they were kept, where
            the query's own similarities must do.
    """

    snapshot: Snapshot
    chance: Chance | None

    @classmethod
    def of(cls, snapshot: Snapshot) -> Judge:
        """Reads what the index keeps."""

        def read() -> Chance | None:
            vectors = snapshot.reader.background()
            return None if vectors is None else Chance(vectors.astype(np.float32))

        # Another set of texts is stored without a new generation.
        texts = snapshot.reader.background_id()
        return cls(snapshot, snapshot.columns.once(("chance", texts), read))

    def expected(
        self,
        vector: NDArray[np.float32],
        asked: Medium,
        found: Medium,
        items: NDArray[np.int64],
    ) -> Background:
        """What unrelated pairs of a query and items have, however few items there are.

        Args:
            vector: the query's, shape (dim,).
            asked: its medium.
            found: medium of the items.
            items: all items of that medium, by id.
        """
        if self.chance is None or asked is found is Medium.PICTURE:
            return unrelated(asked, found)
        if asked is Medium.PICTURE:
            return self.chance.unrelated(vector[np.newaxis])
        return self.snapshot.columns.once(
            ("unrelated", id(self.chance), found), lambda: self._unrelated_to_texts(found, items)
        )

    def _unrelated_to_texts(self, found: Medium, items: NDArray[np.int64]) -> Background:
        """What texts in general have with some of the items: the same for each query."""
        assert self.chance is not None
        vectors = self._some(items)
        return self.chance.unrelated(vectors) if len(vectors) else unrelated(Medium.TEXT, found)

    def _some(self, items: NDArray[np.int64]) -> NDArray[np.float16]:
        """Embeddings of a sample of items."""
        return self.snapshot.vectors.vectors(items[:: max(1, -(-len(items) // _SAMPLE))])

    def judge(
        self,
        vector: NDArray[np.float32],
        asked: Medium,
        found: Medium,
        ids: NDArray[np.int64],
        similarities: NDArray[np.floating],
        *,
        scale: Scale,
        expected: Background,
        items: int,
        everything: NDArray[np.int64],
    ) -> Judgement:
        """Judges candidates by their similarities to a query.

        Args:
            vector: the query's, shape (dim,).
            asked: its medium.
            found: medium of the candidates.
            ids: item ids of the candidates, the nearest of the medium among them, shape (n,).
            similarities: of the same, shape (n,).
            scale: of the query in the medium.
            expected: what unrelated pairs have, as `expected` says.
            items: how many the medium has, of those that are searched.
            everything: all items of the medium, by id, not empty.
        """
        if not len(ids):
            return Judgement(np.empty(0), None)
        levels, details = self._levels(vector, asked, found, ids), None
        if self.chance is not None and asked is Medium.TEXT:
            details = self._details(self.chance, vector, found, ids, everything)
        order = np.argsort(-similarities, kind="stable")
        evidence = Evidence.of(
            similarities[order],
            None if levels is None else levels[order],
            None if details is None else details[order],
            mean=scale.mean,
            unit=scale.deviation if levels is None else expected.deviation,
            items=items,
        )
        calibrated = calibration(asked, found, levels=levels is not None)
        relevance = calibrated.relevance(similarities, levels, details, evidence)
        if asked is found is Medium.PICTURE:
            relevance = np.where(similarities >= _EQUAL, np.maximum(relevance, _SAME), relevance)
        return Judgement(relevance, None if levels is None else calibrated.answered(evidence))

    def _levels(
        self,
        vector: NDArray[np.float32],
        asked: Medium,
        found: Medium,
        ids: NDArray[np.int64],
    ) -> NDArray[np.float64] | None:
        """What texts in general reach where a query is compared with items, shape (n,)."""
        if self.chance is None or asked is found is Medium.PICTURE:
            return None
        if asked is Medium.PICTURE:
            return np.repeat(self.chance.levels(vector[np.newaxis]), len(ids))
        return self.chance.levels(self.snapshot.vectors.vectors(ids))

    def _details(
        self,
        chance: Chance,
        vector: NDArray[np.float32],
        found: Medium,
        ids: NDArray[np.int64],
        everything: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """Similarities to what a text says beyond texts in general, less their mean, shape (n,)."""
        mean = self.snapshot.columns.once(
            ("mean", found), lambda: self._some(everything).astype(np.float32).mean(axis=0)
        )
        apart = self.snapshot.vectors.vectors(ids).astype(np.float32) - mean
        details: NDArray[np.float64] = (apart @ chance.detail(vector)).astype(np.float64)
        return details
