"""The stamp at the end of a saved vector store: which catalog, encoder and generation it is of.

Read without the vectors.
"""

from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path
from typing import NamedTuple

_LAYOUT = struct.Struct("<8sQ32sQ")
_MAGIC = b"mmsvec02"

SIZE = _LAYOUT.size
"""Bytes that a stamp takes."""


class Stamp(NamedTuple):
    """What a vector store agrees with.

    Attributes:
        origin: names the catalog and its encoder.
        generation: the catalog's.
    """

    origin: str
    generation: int


class SavedStamp(NamedTuple):
    """A stamp as it was read from a file; the origin is there as a hash only.

    Attributes:
        origin_hash: SHA-256, 32 bytes.
        generation: the catalog's.
    """

    origin_hash: bytes
    generation: int

    def is_of(self, origin: str) -> bool:
        """Whether the file is of this catalog and encoder."""
        return self.origin_hash == _hash(origin)


def pack(origin: str, generation: int, payload: int) -> bytes:
    """The stamp to write after a payload of so many bytes."""
    return _LAYOUT.pack(_MAGIC, generation, _hash(origin), payload)


def unpack(end: bytes, payload: int) -> SavedStamp | None:
    """The stamp in the last bytes of a file, after a payload of so many bytes; None without one."""
    if len(end) != SIZE:
        return None
    magic, generation, origin_hash, stamped = _LAYOUT.unpack(end)
    return SavedStamp(origin_hash, generation) if (magic, stamped) == (_MAGIC, payload) else None


def read_stamp(path: Path) -> SavedStamp | None:
    """The stamp of a file; None where it is absent, cut short, or has none."""
    try:
        with path.open("rb") as file:
            payload = file.seek(-SIZE, os.SEEK_END)
            return unpack(file.read(), payload)
    except OSError:  # absent, or too short
        return None


def _hash(origin: str) -> bytes:
    return hashlib.sha256(origin.encode()).digest()
