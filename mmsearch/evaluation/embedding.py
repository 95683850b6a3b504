"""Embeds a captioned data set: photos are decoded ahead of the encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mmsearch.encoders.base import DualEncoder, Embeddings, ImageTransform, Pixels
from mmsearch.errors import DatasetError, MediaError
from mmsearch.settings import DEFAULT_MAX_MEGAPIXELS

if TYPE_CHECKING:
    from PIL.Image import Image

Progress: TypeAlias = Callable[[int, int], None]
"""Called with how many photos and captions are done, and of how many. A photo or caption that is
also looked at by rerankers is to be done once more for each."""

Decode: TypeAlias = Callable[[Path, ImageTransform], "Image"]
"""Reads a photo, as an RGB image that is large enough for the transform."""

_TEXT_BATCH = 256


@dataclass(slots=True)
class Counter:
    """Tells progress of several steps as one."""

    progress: Progress | None
    total: int
    done: int = 0

    def add(self, count: int) -> None:
        """So many more are done."""
        self.done += count
        if self.progress is not None:
            self.progress(self.done, self.total)


def decode_photo(
    path: Path, transform: ImageTransform, *, max_megapixels: float = DEFAULT_MAX_MEGAPIXELS
) -> Image:
    """Reads a photo as indexing does, scaled down while decoding where that is faster.

    Args:
        path: the photo.
        transform: what its pixels are made with.
        max_megapixels: a larger photo is not read.

    Raises:
        MediaError: the photo cannot be read.
    """
    from mmsearch.media.image import read_image_file

    size = (transform.width, transform.height)
    return read_image_file(path, max_megapixels=max_megapixels, min_size=size).image


def embed_photos(
    encoder: DualEncoder, photos: Sequence[Path], decode: Decode, counter: Counter
) -> Embeddings:
    """Embeddings of photos, rounded as an index stores them: float32, shape (photos, dim).

    Raises:
        DatasetError: a photo cannot be read; the message names it.
    """
    batches = _pixels(encoder, photos, decode)
    return _rounded((encoder.encode_images(pixels) for pixels in batches), counter)


def embed_captions(encoder: DualEncoder, captions: Sequence[str], counter: Counter) -> Embeddings:
    """Embeddings of captions, rounded as an index stores them: float32, shape (captions, dim)."""
    starts = range(0, len(captions), _TEXT_BATCH)
    batches = (captions[start : start + _TEXT_BATCH] for start in starts)
    return _rounded((encoder.encode_texts(batch) for batch in batches), counter)


def _rounded(parts: Iterable[Embeddings], counter: Counter) -> Embeddings:
    stored: list[Embeddings] = []
    for part in parts:
        stored.append(part.astype(np.float16).astype(np.float32))
        counter.add(len(part))
    return np.concatenate(stored)


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
