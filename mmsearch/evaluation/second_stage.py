"""Lets a reranker look at every query's best answers again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mmsearch.errors import MediaError
from mmsearch.evaluation.datasets import CaptionedPhotos
from mmsearch.evaluation.embedding import Counter
from mmsearch.evaluation.ranking import Numbers, Ranking
from mmsearch.evaluation.report import Direction, Result, Stage
from mmsearch.items import Modality
from mmsearch.search.normalise import Medium
from mmsearch.search.rerank.base import Asked, Candidate, Reranker
from mmsearch.search.rerank.hits import PictureOpener
from mmsearch.search.rerank.reorder import Reordered, rerank
from mmsearch.settings import DEFAULT_MAX_MEGAPIXELS

if TYPE_CHECKING:
    from PIL.Image import Image

_log = logging.getLogger(__name__)

_Queries: TypeAlias = Callable[[int], "Asked | None"]
_Candidates: TypeAlias = Callable[[int, float], Candidate]


def rerank_stage(
    reranker: Reranker,
    dataset: CaptionedPhotos,
    first: Stage,
    counter: Counter,
    *,
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS,
) -> Stage:
    """What a reranker makes of the first stage, in the directions that it takes.

    Args:
        reranker: looks at each query's best answers.
        dataset: the photos and captions.
        first: the first stage.
        counter: told of each query.
        max_megapixels: larger photos are not opened.

    Raises:
        RerankerError: it failed on a query.
    """
    results: dict[Direction, Result] = {}
    for direction, result in first.results.items():
        if takes(reranker, direction):
            rerank_all = _RERANKING[direction]
            results[direction] = rerank_all(
                reranker, dataset, result.ranking, counter, max_megapixels
            )
    return Stage(first.encoder, reranker.name, results)


def takes(reranker: Reranker, direction: Direction) -> bool:
    """Whether a reranker judges the answers of a direction."""
    if direction is Direction.TEXT_TO_IMAGE:
        return reranker.takes(Medium.TEXT, Modality.IMAGE)
    return reranker.takes(Medium.PICTURE, Modality.CAPTION)


def _rerank_photos(
    reranker: Reranker,
    dataset: CaptionedPhotos,
    first: Ranking,
    counter: Counter,
    max_megapixels: float,
) -> Result:
    """Looks at the photos again that each caption found."""

    def candidate(photo: int, similarity: float) -> Candidate:
        path = dataset.photos[photo]
        opener = PictureOpener(path, Modality.IMAGE, 0.0, max_megapixels)
        return Candidate(path, Modality.IMAGE, similarity, similarity, None, opener, path)

    return _rerank_all(reranker, first, lambda at: dataset.captions[at], candidate, counter)


def _rerank_captions(
    reranker: Reranker,
    dataset: CaptionedPhotos,
    first: Ranking,
    counter: Counter,
    max_megapixels: float,
) -> Result:
    """Looks at the captions again that each photo found, unless the photo cannot be read."""

    def query(at: int) -> Image | None:
        path = dataset.photos[first.relevance.photo[at]]
        try:
            return PictureOpener(path, Modality.IMAGE, 0.0, max_megapixels)()
        except MediaError as error:
            _log.warning("%s is not reranked: %s", path, error)
            return None

    def candidate(caption: int, similarity: float) -> Candidate:
        text = dataset.captions[caption]
        opener = PictureOpener(Path(), Modality.CAPTION, 0.0, max_megapixels)
        return Candidate(text, Modality.CAPTION, similarity, similarity, text, opener)

    return _rerank_all(reranker, first, query, candidate, counter)


_RERANKING = {
    Direction.TEXT_TO_IMAGE: _rerank_photos,
    Direction.IMAGE_TO_TEXT: _rerank_captions,
}


def _rerank_all(
    reranker: Reranker, first: Ranking, query: _Queries, candidate: _Candidates, counter: Counter
) -> Result:
    top = first.top.copy()
    scores = np.full(top.shape, np.nan)
    similarities = first.similarities.copy()
    positions = first.positions.copy()
    pairs = first.relevance.pairs_by_query()
    seconds = 0.0
    for at, answers in enumerate(first.top):
        if (asked := query(at)) is not None:
            found = zip(answers.tolist(), first.similarities[at].tolist(), strict=True)
            candidates = [candidate(*one) for one in found]
            started = time.perf_counter()
            result = rerank(asked, candidates, reranker)
            seconds += time.perf_counter() - started
            top[at], scores[at] = answers[result.order], result.scores[result.order]
            similarities[at] = first.similarities[at][result.order]
            positions[pairs[at]] = _moved(first.positions[pairs[at]], result)
        counter.add(1)
    ranking = replace(
        first, positions=positions, top=top, similarities=similarities, reranked=scores
    )
    return Result(ranking, 1000 * seconds / len(top))


def _moved(positions: Numbers, result: Reordered) -> list[int]:
    """Where the answers at these positions have gone; those below the candidates stay."""
    place = np.empty(len(result.order), dtype=np.int64)
    place[result.order] = np.arange(1, len(place) + 1)
    return [int(place[at - 1]) if at <= len(place) else at for at in positions.tolist()]
