"""Retrieval metrics of ranks: recall at k and mean reciprocal rank, in both directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmsearch.encoders.base import Embeddings
from mmsearch.evaluation.ranking import Relevance, rank

Ranks = NDArray[np.int64]
"""int64, shape (queries,): the rank of the best right answer, 1 for the best."""


@dataclass(frozen=True, slots=True)
class RetrievalMetrics:
    """Quality of one direction of retrieval, each figure in percent.

    Attributes:
        recall_at_1: queries whose right answer is ranked first.
        recall_at_5: queries whose right answer is among the first five.
        recall_at_10: queries whose right answer is among the first ten.
        mrr: mean reciprocal rank of the right answer.
    """

    recall_at_1: float
    recall_at_5: float
    recall_at_10: float
    mrr: float

    @classmethod
    def of_ranks(cls, ranks: Ranks) -> RetrievalMetrics:
        """Metrics of the ranks of the right answers, at least one."""
        return cls(
            recall_at_1=100 * float(np.mean(ranks <= 1)),
            recall_at_5=100 * float(np.mean(ranks <= 5)),
            recall_at_10=100 * float(np.mean(ranks <= 10)),
            mrr=100 * float(np.mean(1 / ranks)),
        )

    def as_dict(self) -> dict[str, float]:
        """The figures by their usual names, rounded to hundredths of a percent."""
        return {
            "R@1": round(self.recall_at_1, 2),
            "R@5": round(self.recall_at_5, 2),
            "R@10": round(self.recall_at_10, 2),
            "MRR": round(self.mrr, 2),
        }


def text_to_image_ranks(
    images: Embeddings, texts: Embeddings, photo_of_caption: NDArray[np.int64]
) -> Ranks:
    """Ranks, for each caption, the photo it describes among all photos.

    Args:
        images: float32, shape (photos, dim).
        texts: float32, shape (captions, dim).
        photo_of_caption: int64, shape (captions,), the index of each caption's photo.
    """
    return rank(texts, images, Relevance.of_captions(photo_of_caption), depth=0).ranks


def image_to_text_ranks(
    images: Embeddings, texts: Embeddings, photo_of_caption: NDArray[np.int64]
) -> Ranks:
    """Ranks, for each photo, the best of its own captions among the captions of others.

    Args:
        images: float32, shape (photos, dim).
        texts: float32, shape (captions, dim).
        photo_of_caption: int64, shape (captions,), the index of each caption's photo; each photo
            has at least one caption.
    """
    return rank(images, texts, Relevance.of_photos(photo_of_caption), depth=0).ranks
