"""Measures how well an encoder finds photos by caption and captions by photo."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mmsearch.encoders.base import DualEncoder, Embeddings, ImageTransform, Pixels
from mmsearch.errors import DatasetError, MediaError
from mmsearch.evaluation.datasets import CaptionedPhotos
from mmsearch.evaluation.metrics import (
    RetrievalMetrics,
    image_to_text_ranks,
    text_to_image_ranks,
)

if TYPE_CHECKING:
    from PIL.Image import Image

Progress: TypeAlias = Callable[[int, int], None]
"""Called with how many of the photos and captions together are encoded, and of how many."""

Decode: TypeAlias = Callable[[Path, ImageTransform], "Image"]
"""Reads a photo, as an RGB image that is large enough for the transform."""

_TEXT_BATCH = 256


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """What an encoder reached on a captioned data set.

    Attributes:
        encoder: the encoder's id.
        gallery: number of photos.
        queries: number of captions.
        text_to_image: captions as queries, photos as answers.
        image_to_text: photos as queries, captions as answers.
    """

    encoder: str
    gallery: int
    queries: int
    text_to_image: RetrievalMetrics
    image_to_text: RetrievalMetrics

    def as_dict(self) -> dict[str, object]:
        """The report as ``mmsearch eval --json`` prints it."""
        return {
            "encoder": self.encoder,
            "gallery": self.gallery,
            "queries": self.queries,
            "text_to_image": self.text_to_image.as_dict(),
            "image_to_text": self.image_to_text.as_dict(),
        }


def decode_photo(path: Path, transform: ImageTransform) -> Image:
    """Reads a photo as indexing does, scaled down while decoding where that is faster.

    Raises:
        MediaError: the photo cannot be read.
    """
    from mmsearch.media.image import read_image_file

    return read_image_file(path, min_size=(transform.width, transform.height)).image


def evaluate(
    encoder: DualEncoder,
    dataset: CaptionedPhotos,
    *,
    progress: Progress | None = None,
    decode: Decode = decode_photo,
) -> EvaluationReport:
    """Encodes a captioned data set and measures retrieval in both directions.

    All photos are the gallery and all captions the queries. For image to text, the rank of a
    photo is that of the best of its own captions. Embeddings are rounded to float16, as an
    index stores them.

    Args:
        encoder: the encoder to measure.
        dataset: photos with captions.
        progress: told after each batch.
        decode: how photos are read.

    Raises:
        DatasetError: a photo cannot be read; the message names it.
    """
    total = len(dataset.photos) + len(dataset.captions)
    done = 0

    def encoded(parts: Iterator[Embeddings]) -> Embeddings:
        nonlocal done
        stored: list[Embeddings] = []
        for part in parts:
            stored.append(part.astype(np.float16).astype(np.float32))
            done += len(part)
            if progress is not None:
                progress(done, total)
        return np.concatenate(stored)

    images = encoded(
        encoder.encode_images(pixels) for pixels in _pixels(encoder, dataset.photos, decode)
    )
    texts = encoded(
        encoder.encode_texts(dataset.captions[start : start + _TEXT_BATCH])
        for start in range(0, len(dataset.captions), _TEXT_BATCH)
    )
    owners = dataset.photo_of_caption
    return EvaluationReport(
        encoder=encoder.id,
        gallery=len(images),
        queries=len(texts),
        text_to_image=RetrievalMetrics.of_ranks(text_to_image_ranks(images, texts, owners)),
        image_to_text=RetrievalMetrics.of_ranks(image_to_text_ranks(images, texts, owners)),
    )


def _pixels(encoder: DualEncoder, photos: Sequence[Path], decode: Decode) -> Iterator[Pixels]:
    """Batches of pixels; the next batch is decoded while the caller encodes the last."""
    size, transform = encoder.batch_size, encoder.transform

    def load(start: int) -> Pixels:
        return np.stack(
            [_photo_pixels(path, transform, decode) for path in photos[start : start + size]]
        )

    with ThreadPoolExecutor(max_workers=1) as ahead:
        pending = ahead.submit(load, 0)
        for start in range(size, len(photos) + size, size):
            ready = pending.result()
            if start < len(photos):
                pending = ahead.submit(load, start)
            yield ready


def _photo_pixels(path: Path, transform: ImageTransform, decode: Decode) -> Pixels:
    try:
        return transform(decode(path, transform))
    except MediaError as error:
        raise DatasetError(f"The photo {path} cannot be read: {error}") from error
