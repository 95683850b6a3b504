"""``regions``: parts of the photo at full resolution, for what takes few pixels of the whole.

An encoder sees a photo at about 224 pixels a side; a dog that takes a tenth of the width is a spot
then. So nine overlapping parts, each half as wide and high as the photo, are encoded as well, and
the best of them counts. A photo may answer as a whole or in a part, and each is judged by how
far it stands out among the candidates, in standard deviations:

    score = log(exp(z(whole) / 2) + exp(z(best part) / 2))

Weighted sums of the two similarities gain as much on photos that are described as a whole, but
less where the thing is small; the best part alone is worse than the first stage on the former.
For a photo that looks for texts, the weighted sum is better. ``docs/rerank.md`` has the evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmsearch.encoders.base import DualEncoder
from mmsearch.items import Modality
from mmsearch.search.normalise import Medium
from mmsearch.search.rerank.base import Asked, Candidate, Deadline, Scores, score_in_batches
from mmsearch.search.rerank.cache import EmbeddingCache
from mmsearch.search.rerank.pictures import PictureEmbedder, Views, grid

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE, COUNT = 0.5, 3
"""Parts are so large, as a share of the photo's sides, and so many beside each other."""

SHARPNESS = 0.5
"""How much more the better of whole and part counts: 0 for their sum, infinite for the better."""

PARTS_FOR_TEXTS = 0.4
"""The weight of the best part where a photo looks for texts."""

_VIEWS = Views(f"grid {SIDE:g} {COUNT}", partial(grid, side=SIDE, count=COUNT), SIDE)
_TEXTS = 16


class Regions:
    """Ranks pictures for a text, and texts for a picture, by whole and best part.

    Args:
        encoder: the index's.
        cache: keeps the parts' embeddings.
    """

    name = "regions"
    depth = 20

    def __init__(self, encoder: DualEncoder, *, cache: EmbeddingCache | None = None) -> None:
        self._embed = PictureEmbedder(encoder, _VIEWS, cache)

    def takes(self, asked: Medium, modality: Modality) -> bool:
        """Items of the other medium."""
        return modality not in asked.modalities

    def scores(
        self, query: Asked, candidates: Sequence[Candidate], *, deadline: Deadline | None = None
    ) -> Scores:
        """Judges candidates; see `mmsearch.search.rerank.base.Reranker`."""
        wholes = np.array([one.similarity for one in candidates])
        if isinstance(query, str):
            parts = self._best_parts(query, candidates, deadline)
            return combined(wholes, parts)
        parts = self._best_of_query(query, candidates, deadline)
        return (1 - PARTS_FOR_TEXTS) * wholes + PARTS_FOR_TEXTS * parts

    def _best_parts(
        self, text: str, candidates: Sequence[Candidate], deadline: Deadline | None
    ) -> NDArray[np.float64]:
        """The similarity of each picture's best part to a text."""
        asked = self._embed.texts([text])[0]

        known = self._embed.known(candidates)

        def judge(batch: Sequence[Candidate]) -> Scores:
            parts = known | self._embed([one for one in batch if one.key not in known])
            best = [(parts[one.key] @ asked).max() if one.key in parts else np.nan for one in batch]
            return np.array(best, dtype=np.float64)

        return score_in_batches(candidates, judge, size=1, deadline=deadline)

    def _best_of_query(
        self, image: Image, candidates: Sequence[Candidate], deadline: Deadline | None
    ) -> NDArray[np.float64]:
        """The similarity of each text to the best part of a picture."""
        if deadline is not None and deadline.passed:
            return np.full(len(candidates), np.nan)
        parts = self._embed.image(image)

        def judge(batch: Sequence[Candidate]) -> Scores:
            rows = self._embed.texts([one.text or "" for one in batch])
            best: Scores = (rows @ parts.T).max(axis=1).astype(np.float64)
            return best

        return score_in_batches(candidates, judge, size=_TEXTS, deadline=deadline)


def combined(wholes: NDArray[np.float64], parts: NDArray[np.float64]) -> Scores:
    """What whole and best part say together.

    Args:
        wholes: similarities of the whole pictures, shape (n,); NaN where there is none.
        parts: similarities of their best parts, shape (n,); NaN where they were not judged.

    Returns:
        shape (n,), NaN where ``parts`` is.
    """
    known = np.nan_to_num(_spread(wholes))  # as good as the average where it is not known
    with np.errstate(invalid="ignore"):  # NaN
        scores: Scores = np.logaddexp(SHARPNESS * known, SHARPNESS * _spread(parts))
    return scores


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values in standard deviations from their mean; NaN stays."""
    known = values[~np.isnan(values)]
    if not len(known):
        return values
    apart: NDArray[np.float64] = (values - known.mean()) / max(float(known.std()), 1e-9)
    return apart
