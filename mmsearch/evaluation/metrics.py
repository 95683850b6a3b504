"""Retrieval metrics: recall at k and mean reciprocal rank, in both directions.

Ties count pessimistically: whatever scores as high as the right answer is ranked before it, so
an encoder that maps everything to one point, or to nothing (NaN), gets no credit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmsearch.encoders.base import Embeddings

Ranks = NDArray[np.int64]
"""int64, shape (queries,): the rank of the right answer, 1 for the best."""

_BLOCK = 512  # queries whose similarities are held at once; 512 x 25,000 float32 are 51 MB


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
    ranks = np.empty(len(texts), dtype=np.int64)
    for start in range(0, len(texts), _BLOCK):
        block = slice(start, start + _BLOCK)
        similarity = texts[block] @ images.T
        right = np.take_along_axis(similarity, photo_of_caption[block, None], axis=1)
        # The right photo is as high as itself, which makes the best rank 1. "Not lower" counts
        # NaN, which a broken encoder gives, against it.
        ranks[block] = np.count_nonzero(~(similarity < right), axis=1)
    return ranks


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
    ranks = np.empty(len(images), dtype=np.int64)
    for start in range(0, len(images), _BLOCK):
        block = slice(start, start + _BLOCK)
        similarity = images[block] @ texts.T
        own = photo_of_caption[None, :] == np.arange(len(images))[block, None]
        best = np.where(own, similarity, -np.inf).max(axis=1, keepdims=True)
        ranks[block] = 1 + np.count_nonzero(~(similarity < best) & ~own, axis=1)
    return ranks
