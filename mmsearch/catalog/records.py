"""Plain values that go into the catalog and come out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.items import MediaInfo, Modality

STORED_DTYPE = np.dtype("<f2")
"""How embeddings are stored: float16 keeps rankings (checked in tests) at half the size."""


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
    """A folder or file that the user asked to index; ``path`` is absolute."""

    id: int
    path: Path
    exclude: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KnownAsset:
    """What the catalog knows of a file, to tell whether it changed."""

    id: int
    path: str
    size: int
    mtime_ns: int
    content_hash: str | None
    failure: str | None
    failure_kind: str | None


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it was when it was read; ``path`` is relative to its source."""

    path: str
    size: int
    mtime_ns: int
    content_hash: str | None = None


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item to store: its vector is float32 or float16, shape (dim,)."""

    modality: Modality
    vector: NDArray[np.floating[Any]]
    text: str | None = None
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True, slots=True)
class ItemToEncode:
    """An item that has no embedding under some encoder yet, and the content that it stands for."""

    id: int
    asset_id: int
    path: Path
    modality: Modality
    content_hash: str | None


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
