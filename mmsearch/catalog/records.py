"""Plain values that go into the catalog and come out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.items import MediaInfo, Modality

STORED_DTYPE = np.dtype("<f2")
"""How embeddings are stored: float16 keeps rankings (checked in tests) at half the size."""


class Origin(StrEnum):
    """Where an item was read, so that each origin can change alone."""

    CONTENT = "content"
    """The file itself."""
    COMPANION = "companion"
    """A file beside it that speaks of it: a sidecar, a transcript."""
    COLLECTION = "collection"
    """A caption file that speaks of many files."""


@dataclass(frozen=True, slots=True)
class StoredEncoder:
    """An encoder's identity as the catalog keeps it."""

    id: str
    spec: str
    name: str
    revision: str
    transform: Mapping[str, Any]
    dim: int


@dataclass(frozen=True, slots=True)
class Source:
    """A folder or file that the user asked to index.

    Attributes:
        id: row id.
        path: absolute.
        exclude: glob patterns to leave out.
        ocr: whether the text in its photos is read.
        caption_files: absolute paths of the files that hold captions of its photos.
    """

    id: int
    path: Path
    exclude: tuple[str, ...] = ()
    ocr: bool = False
    caption_files: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it was when it was read.

    Attributes:
        path: relative to its source.
        size: bytes.
        mtime_ns: time of the last change, nanoseconds since 1970.
        content_hash: names the content, where it was read.
        companions: names the state of the files beside it that speak of it; None for none.
        captions: names what caption files say of it; None for nothing.
        reading: names the models that read text out of its content; None for none.
        read_until: how far a recording or video was read, in seconds; None for all of it.
    """

    path: str
    size: int
    mtime_ns: int
    content_hash: str | None = None
    companions: str | None = None
    captions: str | None = None
    reading: str | None = None
    read_until: float | None = None


@dataclass(frozen=True, slots=True)
class ContentKey:
    """What decides which items are read in a file.

    Attributes:
        content_hash: names the content.
        reading: as of `FileState`.
        suffix: of the file's name, in lower case: a recording that is called a photo is none.
    """

    content_hash: str
    reading: str | None
    suffix: str

    @classmethod
    def of(cls, content_hash: str | None, reading: str | None, name: str) -> ContentKey:
        """The key of a file's content; ``name`` is its name or path."""
        return cls(content_hash or "", reading, PurePosixPath(name).suffix.lower())


@dataclass(frozen=True, slots=True)
class KnownAsset:
    """What the catalog knows of a file, to tell whether it changed.

    Attributes:
        id: the asset's id.
        file: the file as it was when it was read.
        failure: why it could not be read, wholly or in part.
        failure_kind: the error's class.
    """

    id: int
    file: FileState
    failure: str | None = None
    failure_kind: str | None = None


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An item as the catalog knows it, to tell which texts are new."""

    id: int
    modality: Modality
    text: str | None
    start: float | None
    end: float | None
    origin: Origin


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item to store: its vector is float32 or float16, shape (dim,)."""

    modality: Modality
    vector: NDArray[np.floating[Any]]
    text: str | None = None
    start: float | None = None
    end: float | None = None
    origin: Origin = Origin.CONTENT


@dataclass(frozen=True, slots=True)
class ItemToEncode:
    """An item that has no embedding under some encoder yet, and the content that it stands for."""

    id: int
    asset_id: int
    path: Path
    modality: Modality
    content_hash: str | None
    text: str | None = None
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """An item together with its asset, as a search returns it; ``path`` is absolute."""

    id: int
    asset_id: int
    path: Path
    modality: Modality
    text: str | None = None
    start: float | None = None
    end: float | None = None
    info: MediaInfo = field(default_factory=MediaInfo)


MEDIA_COLUMNS = (
    "width",
    "height",
    "captured_at",
    "latitude",
    "longitude",
    "camera",
    "duration",
    "language",
)
"""The columns of an asset that say what it tells about itself."""


def media_info(columns: Sequence[Any]) -> MediaInfo:
    """What an asset tells about itself, from its `MEDIA_COLUMNS`."""
    width, height, captured_at, latitude, longitude, camera, duration, language = columns
    return MediaInfo(
        width=width,
        height=height,
        captured_at=datetime.fromisoformat(captured_at) if captured_at else None,
        latitude=latitude,
        longitude=longitude,
        camera=camera,
        duration=duration,
        language=language,
    )
