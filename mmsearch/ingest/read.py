"""Turns one file into what the encoder and the catalog need; runs in a worker."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace
from pathlib import Path

from mmsearch.catalog.records import FileState
from mmsearch.encoders.base import ImageTransform, Pixels
from mmsearch.errors import MediaError
from mmsearch.items import MediaInfo
from mmsearch.media.files import content_hash, read_bytes
from mmsearch.media.image import read_image


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded photo; ``pixels`` is uint8, shape (height, width, 3), ready to encode."""

    file: FileState
    pixels: Pixels
    info: MediaInfo


@dataclass(frozen=True, slots=True)
class KnownContent:
    """A file with content that the catalog has embeddings of, not decoded again."""

    file: FileState


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that could not be read."""

    file: FileState
    reason: str
    kind: str


@dataclass(frozen=True, slots=True)
class PhotoReader:
    """How photos are read in one run.

    Attributes:
        transform: the encoder's.
        max_megapixels: larger images are refused.
        embedded: content hashes that need not be decoded.
    """

    transform: ImageTransform
    max_megapixels: float
    embedded: Container[str] = frozenset()

    def __call__(self, path: Path, file: FileState) -> Photo | KnownContent | Unreadable:
        """Reads one file; what is wrong with it is returned, not raised."""
        try:
            data = read_bytes(path)
            file = replace(file, content_hash=content_hash(data))
            if file.content_hash in self.embedded:
                return KnownContent(file)
            decoded = read_image(
                data,
                suffix=path.suffix,
                max_megapixels=self.max_megapixels,
                min_size=(self.transform.width, self.transform.height),
            )
        except MediaError as error:
            return Unreadable(file, str(error), type(error).__name__)
        return Photo(file, self.transform(decoded.image), decoded.info)
