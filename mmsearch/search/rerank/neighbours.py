"""``expansion``: for a query by image, what its best hits look like counts as well.

Alpha query expansion (Radenović, Tolias and Chum 2019, Fine-tuning CNN Image Retrieval with No
Human Annotation, arXiv:1711.02512): the query's vector becomes a sum of itself and its best hits',
weighted by a power of their similarities, and the candidates are ranked by that. It takes no more
than the stored vectors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmsearch.items import Modality
from mmsearch.search.normalise import Medium
from mmsearch.search.rerank.base import Asked, Candidate, Deadline, Scores

HITS, ALPHA = 10, 6.0
"""So many hits count, by their similarity to this power; chosen on Flickr8k dev."""


class Expansion:
    """Ranks pictures by their similarity to a picture and to what is most similar to it."""

    name = "expansion"
    depth = 100

    def takes(self, asked: Medium, modality: Modality) -> bool:
        """Pictures, for a picture."""
        return asked is Medium.PICTURE and modality in Medium.PICTURE.modalities

    def scores(
        self, query: Asked, candidates: Sequence[Candidate], *, deadline: Deadline | None = None
    ) -> Scores:
        """Judges candidates; see `mmsearch.search.rerank.base.Reranker`."""
        scores = np.full(len(candidates), np.nan)
        known = {
            at: one.vector
            for at, one in enumerate(candidates)
            if one.vector is not None and not np.isnan(one.similarity)
        }
        if known:
            similarities = np.array([candidates[at].similarity for at in known])
            vectors = np.stack(list(known.values())).astype(np.float32)
            scores[list(known)] = expanded(similarities, vectors)
        return scores


def expanded(similarities: NDArray[np.float64], vectors: NDArray[np.float32]) -> Scores:
    """Inner products with the expanded query.

    Args:
        similarities: of the query to candidates, float64, shape (n,).
        vectors: of the candidates, shape (n, dim), rows of unit length.

    Returns:
        float64, shape (n,).
    """
    best = np.argsort(-similarities, kind="stable")[:HITS]
    weights = np.maximum(similarities[best], 0) ** ALPHA
    # The query's own vector is not needed: its inner products are known.
    scores: Scores = similarities + (weights @ vectors[best]) @ vectors.T
    return scores
