"""Chooses how far to go from the base, by retrieval on the held-out part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from mmsearch.encoders.adapted import Heads
from mmsearch.encoders.base import Embeddings, Encoded
from mmsearch.evaluation.metrics import (
    RetrievalMetrics,
    image_to_text_ranks,
    text_to_image_ranks,
)
from mmsearch.training.pairs import texts_of

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Of the way from the base to what was learnt."""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Retrieval metrics in both directions."""

    text_to_image: RetrievalMetrics
    image_to_text: RetrievalMetrics

    @classmethod
    def of(
        cls, images: Embeddings, texts: Embeddings, photo_of_text: NDArray[np.int64]
    ) -> Retrieval:
        """Ranks all texts for each photo, and all photos for each text."""
        return cls(
            RetrievalMetrics.of_ranks(text_to_image_ranks(images, texts, photo_of_text)),
            RetrievalMetrics.of_ranks(image_to_text_ranks(images, texts, photo_of_text)),
        )

    @classmethod
    def mean(cls, some: Sequence[Retrieval]) -> Retrieval:
        """The mean of each figure."""
        return cls(
            _mean([one.text_to_image for one in some]), _mean([one.image_to_text for one in some])
        )

    @property
    def score(self) -> float:
        """One figure to compare by, in percent: the mean of both reciprocal ranks.

        On few photos it is steadier than the recall at any one rank.
        """
        return (self.text_to_image.mrr + self.image_to_text.mrr) / 2

    def as_dict(self) -> dict[str, dict[str, float]]:
        """The figures by their usual names, as ``mmsearch eval --json`` prints them."""
        return {
            "text_to_image": self.text_to_image.as_dict(),
            "image_to_text": self.image_to_text.as_dict(),
        }


def _mean(some: Sequence[RetrievalMetrics]) -> RetrievalMetrics:
    return RetrievalMetrics(*np.mean([astuple(one) for one in some], axis=0).tolist())


@dataclass(frozen=True, slots=True)
class EncodedPairs:
    """What the base encoder makes of captioned photos.

    Attributes:
        photos: seen plainly.
        texts: the captions.
        photo_of_text: int64, shape (texts,).
    """

    photos: Encoded
    texts: Encoded
    photo_of_text: NDArray[np.int64]

    def part(self, photos: NDArray[np.int64]) -> EncodedPairs:
        """Some of the photos, by their indices, with all of their texts."""
        texts, photo_of_text = texts_of(photos, self.photo_of_text)
        return EncodedPairs(self.photos.rows(photos), self.texts.rows(texts), photo_of_text)

    def retrieval(self, heads: Heads) -> Retrieval:
        """The metrics of these heads on top of the base."""
        return Retrieval.of(heads.images(self.photos), heads.texts(self.texts), self.photo_of_text)


@dataclass(frozen=True, slots=True)
class Trial:
    """What a share of the way to some heads reached on the held-out part."""

    candidate: str
    share: float
    retrieval: Retrieval


@dataclass(frozen=True, slots=True)
class Choice:
    """The best trial.

    Attributes:
        heads: those of the trial, scaled.
        best: the trial.
        before: what the base reached.
        trials: all of them.
    """

    heads: Heads
    best: Trial
    before: Retrieval
    trials: Sequence[Trial]


def choose(candidates: Mapping[str, Heads], held_out: EncodedPairs) -> Choice:
    """Tries each candidate at each of `SHARES`, and takes what retrieves best.

    Of equals, the one that is closest to the base.

    Args:
        candidates: heads by what sets them apart; at least one.
        held_out: what nothing was trained on.
    """
    trials = [
        Trial(name, share, held_out.retrieval(heads.scaled(share)))
        for share in SHARES
        for name, heads in candidates.items()
    ]
    best = max(trials, key=lambda trial: trial.retrieval.score)
    return Choice(
        heads=candidates[best.candidate].scaled(best.share),
        best=best,
        before=held_out.retrieval(Heads(None, None)),
        trials=trials,
    )
