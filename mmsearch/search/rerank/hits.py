"""Makes candidates of hits, and hits of what a reranker says of them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import NothingToIndexError
from mmsearch.items import Hit, Modality, middle
from mmsearch.search.normalise import Medium
from mmsearch.search.rerank.base import Asked, Candidate, Deadline, Reranker, medium_of
from mmsearch.search.rerank.reorder import rerank

if TYPE_CHECKING:
    from PIL.Image import Image

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PictureOpener:
    """Reads the photo, or the frame of the video, that was hit."""

    path: Path
    modality: Modality
    time: float
    max_megapixels: float

    def __call__(self, min_size: tuple[int, int] | None = None) -> Image:
        """See `mmsearch.search.rerank.base.Opener`."""
        if self.modality is Modality.IMAGE:
            from mmsearch.media.image import read_image_file

            return read_image_file(
                self.path, max_megapixels=self.max_megapixels, min_size=min_size
            ).image
        if self.modality is Modality.FRAME:
            from mmsearch.media.video import frames_at

            return next(
                frames_at(
                    self.path, [self.time], max_megapixels=self.max_megapixels, min_size=min_size
                )
            )
        raise NothingToIndexError(f"a {self.modality} is no picture")


def rerank_hits(
    query: Asked,
    hits: Sequence[Hit],
    reranker: Reranker,
    *,
    origin: Hashable,
    max_megapixels: float,
    vectors: Mapping[int, NDArray[np.float16]],
    deadline: Deadline | None = None,
) -> list[Hit]:
    """Looks at the best hits again: photos as they are, videos by the frame that was hit.

    Of hits that are grouped by file, the best item is judged. One that is no picture, a photo
    that was found by its caption for instance, is a text to the reranker.

    Args:
        query: a text or an image.
        hits: best first.
        reranker: judges them.
        origin: names the index, so that its items are told from those of others.
        max_megapixels: larger images are not opened.
        vectors: stored embeddings by item id, as far as they are known.
        deadline: when to stop judging.

    Returns:
        The same hits, best first, with new ranks; ``reranked`` is set where they were judged.
    """
    candidates = [_candidate(hit, origin, max_megapixels, vectors.get(hit.item)) for hit in hits]
    result = rerank(query, candidates, reranker, deadline=deadline)
    scores = [None if np.isnan(score) else float(score) for score in result.scores]
    _tell_if_in_vain(reranker, {hit.modality for hit in hits}, scores, medium_of(query))
    return _with_relevance_of_place(
        [
            replace(hits[at], rank=rank, reranked=scores[at])
            for rank, at in enumerate(result.order.tolist(), 1)
        ]
    )


def _tell_if_in_vain(
    reranker: Reranker,
    modalities: Collection[Modality],
    scores: Sequence[float | None],
    asked: Medium,
) -> None:
    """A notice where there was something to reorder and nothing became of it."""
    judged = sum(score is not None for score in scores)
    if len(scores) < 2 or judged > 1:  # one alone cannot change places
        return
    if not any(reranker.takes(asked, modality) for modality in modalities):
        _log.warning("The reranker %r has nothing for this query and these hits.", reranker.name)
    else:
        _log.warning(
            "The reranker %r judged %s of the hits, so their order is as before: it needs more "
            "time (--budget), or the files are gone.",
            reranker.name,
            "only one" if judged else "none",
        )


def _with_relevance_of_place(hits: Sequence[Hit]) -> list[Hit]:
    """Hits that were judged, in their new order, with their relevance in that order as well.

    How likely the best of them answers is known from the first stage, and which one that is from
    the reranker; so what it brings up is not hidden for the little that the first stage saw in
    it. Those that share a medium's probability of an answer do so: the words that a hit holds
    besides count for itself alone.
    """
    found = list(hits)
    alike: dict[Hashable, list[int]] = {}
    for at, hit in enumerate(hits):
        if hit.reranked is not None and hit.relevance is not None:
            alike.setdefault((Medium.of(hit.modality), hit.answered), []).append(at)
    for places in alike.values():
        falling = sorted((hits[at].relevance or 0.0 for at in places), reverse=True)
        for at, relevance in zip(places, falling, strict=True):
            found[at] = replace(hits[at], relevance=relevance)
    return found


def _candidate(
    hit: Hit, origin: Hashable, max_megapixels: float, vector: NDArray[np.float16] | None
) -> Candidate:
    time = middle(hit.start, hit.end)
    return Candidate(
        key=(origin, hit.item),
        modality=hit.modality,
        similarity=float("nan") if hit.similarity is None else hit.similarity,
        score=hit.score,
        text=hit.text,
        open=PictureOpener(hit.path, hit.modality, time, max_megapixels),
        path=hit.path,
        time=time if hit.modality is Modality.FRAME else 0.0,
        vector=vector,
    )
