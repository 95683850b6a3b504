"""Measures how well an encoder finds photos by caption and captions by photo."""

from __future__ import annotations

from collections.abc import Sequence

from mmsearch.encoders.base import Device, DualEncoder, Embeddings
from mmsearch.errors import RerankerError
from mmsearch.evaluation.datasets import CaptionedPhotos
from mmsearch.evaluation.embedding import (
    Counter,
    Decode,
    Progress,
    decode_photo,
    embed_captions,
    embed_photos,
)
from mmsearch.evaluation.ranking import Relevance, rank
from mmsearch.evaluation.report import Direction, EvaluationReport, Result, Stage
from mmsearch.evaluation.second_stage import rerank_stage, takes
from mmsearch.search.rerank import registry
from mmsearch.search.rerank.base import Reranker
from mmsearch.settings import DEFAULT_MAX_MEGAPIXELS

__all__ = ["Decode", "EvaluationReport", "Progress", "decode_photo", "evaluate"]

DEPTH = 10
"""How many of each query's best answers a report keeps, or as many as a reranker looks at."""


def evaluate(
    encoder: DualEncoder,
    dataset: CaptionedPhotos,
    *,
    progress: Progress | None = None,
    decode: Decode = decode_photo,
    device: Device = "auto",
    rerankers: Sequence[str | Reranker] = (),
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS,
) -> EvaluationReport:
    """Encodes a captioned data set and measures retrieval in both directions.

    All photos are the gallery and all captions the queries, and the other way round. Embeddings
    are rounded to float16, as an index stores them. A reranker that fails on a query is not
    measured; the report says why.

    Args:
        encoder: the encoder to measure.
        dataset: photos with captions.
        progress: told after each batch.
        decode: how photos are read.
        device: where rerankers' models run.
        rerankers: what ``--rerank`` takes, or rerankers; each looks at the first stage's best.
        max_megapixels: rerankers do not open larger photos.

    Raises:
        DatasetError: a photo cannot be read; the message names it.
        RerankerError: there is no such reranker, or it does not go with the encoder.
    """
    second = rerankers_for(rerankers, encoder, device=device)
    total = len(dataset.photos) + len(dataset.captions) + queries_to_rerank(second, dataset)
    counter = Counter(progress, total)
    images = embed_photos(encoder, dataset.photos, decode, counter)
    texts = embed_captions(encoder, dataset.captions, counter)
    return evaluate_embeddings(
        encoder.id, dataset, images, texts, second, counter, max_megapixels=max_megapixels
    )


def evaluate_embeddings(
    encoder: str,
    dataset: CaptionedPhotos,
    images: Embeddings,
    texts: Embeddings,
    rerankers: Sequence[Reranker],
    counter: Counter,
    *,
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS,
) -> EvaluationReport:
    """Measures retrieval in both directions.

    Args:
        encoder: the encoder's id.
        dataset: photos and captions.
        images: their embeddings, float32, shape (photos, dim).
        texts: likewise, float32, shape (captions, dim).
        rerankers: each looks at the first stage's best.
        counter: told of each query that is reranked.
        max_megapixels: rerankers do not open larger photos.
    """
    depth = max([DEPTH, *(one.depth for one in rerankers)])
    owners = dataset.photo_of_caption
    photos_found = rank(texts, images, Relevance.of_captions(owners), depth=depth)
    captioned = Relevance.of_photos(owners)
    captions_found = rank(images[captioned.photo], texts, captioned, depth=depth)
    first = Stage(
        encoder,
        None,
        {
            Direction.TEXT_TO_IMAGE: Result(photos_found),
            Direction.IMAGE_TO_TEXT: Result(captions_found),
        },
    )
    reranked: list[Stage] = []
    failed: list[RerankerError] = []
    for one in rerankers:
        try:
            reranked.append(
                rerank_stage(one, dataset, first, counter, max_megapixels=max_megapixels)
            )
        except RerankerError as error:  # the rest is worth as much as before
            failed.append(error)
    return EvaluationReport(dataset, first, tuple(reranked), tuple(failed))


def rerankers_for(
    rerankers: Sequence[str | Reranker], encoder: DualEncoder, *, device: Device = "auto"
) -> list[Reranker]:
    """The rerankers that names stand for; one that is given twice counts once.

    Raises:
        RerankerError: there is no such reranker, it does not go with the encoder, or it can
            judge neither photos nor captions.
    """
    found: list[Reranker] = []
    loaded = registry.LoadedRerankers(device)
    for at, one in enumerate(rerankers):
        if one in rerankers[:at]:
            continue
        reranker = loaded.get(one, encoder) if isinstance(one, str) else one
        if not any(takes(reranker, direction) for direction in Direction):
            raise RerankerError(
                f"The reranker {reranker.name!r} judges neither photos by captions nor captions "
                "by photos, so there is nothing to measure."
            )
        found.append(reranker)
    return found


def queries_to_rerank(rerankers: Sequence[Reranker], dataset: CaptionedPhotos) -> int:
    """How many queries all rerankers together will look at."""
    queries = {
        Direction.TEXT_TO_IMAGE: len(dataset.captions),
        Direction.IMAGE_TO_TEXT: len(set(dataset.photo_of_caption.tolist())),
    }
    return sum(
        queries[direction]
        for reranker in rerankers
        for direction in Direction
        if takes(reranker, direction)
    )
