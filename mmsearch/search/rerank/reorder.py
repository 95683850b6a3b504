"""Puts candidates into the order that a reranker's scores say; nothing is lost.

The candidates that were judged change places among themselves, pictures with pictures and texts
with texts, and every other one keeps its place: a reranker's scores and the first stage's are on
different scales and never compared, nor are its scores of pictures and of texts. So photos that
were looked at again do not pass transcripts that were not, and where a deadline has cut the
reranker short, the candidates below follow as the first stage has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import RerankerError
from mmsearch.search.normalise import Medium
from mmsearch.search.rerank.base import Asked, Candidate, Deadline, Reranker, Scores, medium_of


@dataclass(frozen=True, slots=True)
class Reordered:
    """What a reranker made of candidates.

    Attributes:
        order: int64, shape (n,): the candidates' numbers, best first; each occurs once.
        scores: float64, shape (n,): the reranker's scores by the candidates' numbers; NaN where
            it did not judge.
    """

    order: NDArray[np.int64]
    scores: Scores


def rerank(
    query: Asked,
    candidates: Sequence[Candidate],
    reranker: Reranker,
    *,
    deadline: Deadline | None = None,
) -> Reordered:
    """Looks at the best candidates again. Equal scores keep the first stage's order.

    Args:
        query: a text or an image.
        candidates: best first.
        reranker: judges the first ``reranker.depth`` of those whose modality it takes.
        deadline: when to stop judging.

    Raises:
        RerankerError: the reranker failed, or did not score each candidate.
    """
    asked = medium_of(query)
    takes = {kind: reranker.takes(asked, kind) for kind in {c.modality for c in candidates}}
    taken = [at for at, one in enumerate(candidates) if takes[one.modality]][: reranker.depth]
    scores = np.full(len(candidates), np.nan)
    if taken:
        scores[taken] = _judged(query, [candidates[at] for at in taken], reranker, deadline)
    return Reordered(reordered(scores, [Medium.of(one.modality) for one in candidates]), scores)


def _judged(
    query: Asked,
    candidates: Sequence[Candidate],
    reranker: Reranker,
    deadline: Deadline | None,
) -> Scores:
    """A reranker's scores, shape (candidates,), finite or NaN."""
    try:
        judged = np.asarray(reranker.scores(query, candidates, deadline=deadline), np.float64)
    except Exception as error:  # whatever another's code may raise
        raise RerankerError(
            f"The reranker {reranker.name!r} failed: {type(error).__name__}: {error}."
        ) from error
    if judged.shape != (len(candidates),):
        raise RerankerError(
            f"The reranker {reranker.name!r} gave scores of shape {judged.shape} for "
            f"{len(candidates)} candidates: it must give one for each."
        )
    return np.where(np.isfinite(judged), judged, np.nan)


def reordered(scores: Scores, media: Sequence[Medium]) -> NDArray[np.int64]:
    """The order of candidates by a reranker's scores; those with NaN keep their places.

    Args:
        scores: float64, shape (n,), in the first stage's order.
        media: of the candidates, n of them; only those of one medium change places.

    Returns:
        int64, shape (n,): a permutation.
    """
    order = np.arange(len(scores))
    for medium in set(media):
        among = np.array([one is medium for one in media])
        places = np.flatnonzero(among & ~np.isnan(scores))
        order[places] = places[np.argsort(-scores[places], kind="stable")]
    return order
