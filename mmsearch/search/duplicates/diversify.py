"""Hits that differ from each other: maximal marginal relevance (Carbonell and Goldstein 1998).

Each next hit is the one with the highest

    strength * relevance - (1 - strength) * highest similarity to a hit before it

where both are scaled to 0..1 among the candidates, relevance by rank, so that they mean the same
with every encoder and reranker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.items import Hit, Modality
from mmsearch.search.ranked import ranked

STRENGTH = 0.6
"""What relevance counts against being different; ``docs/duplicates.md`` has the evidence."""

DEPTH = 3
"""From so many times as many candidates hits are chosen."""

_PICTURES = (Modality.IMAGE, Modality.FRAME)


def diversify(
    hits: Sequence[Hit],
    vectors: Mapping[int, NDArray[np.floating[Any]]],
    k: int,
    *,
    strength: float = STRENGTH,
) -> list[Hit]:
    """The k hits that answer best without repeating each other.

    Args:
        hits: candidates, best first, by whatever they are ordered.
        vectors: embeddings by item ids, shape (dim,).
        k: at most so many.
        strength: what relevance counts, 0..1; at 1 the order stays.

    Returns:
        the chosen ones in the order they were chosen, with new ranks; the first stays the first.
    """
    if not hits:
        return []
    relevance = 1 - np.arange(len(hits)) / len(hits)
    alike = _likeness(hits, vectors)
    chosen = [0]
    nearest = alike[0].copy()
    while len(chosen) < min(k, len(hits)):
        gain = strength * relevance - (1 - strength) * nearest
        gain[chosen] = -np.inf
        best = int(gain.argmax())
        chosen.append(best)
        nearest = np.maximum(nearest, alike[best])
    return ranked(hits[at] for at in chosen)


def _likeness(
    hits: Sequence[Hit], vectors: Mapping[int, NDArray[np.floating[Any]]]
) -> NDArray[np.float64]:
    """How alike hits are, 0..1, shape (n, n); 0 for a picture and a text, which say it twice."""
    matrix = np.stack([np.asarray(vectors[hit.item], dtype=np.float64) for hit in hits])
    products = matrix @ matrix.T
    is_picture = np.array([hit.modality in _PICTURES for hit in hits])
    same_medium = is_picture[:, np.newaxis] == is_picture
    compared = products[same_medium & ~np.eye(len(hits), dtype=bool)]
    if not len(compared):
        return np.zeros_like(products)
    # 1 for the same, 0 for the least alike of the candidates.
    scaled = 1 - (1 - products) / max(1 - compared.min(), 1e-6)
    return np.where(same_medium, np.clip(scaled, 0, 1), 0.0)
