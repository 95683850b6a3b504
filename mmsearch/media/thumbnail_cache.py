"""Thumbnails on disk, by the content that they show, so that each is made once.

A file each below ``thumbnails/`` in the folder of caches, named by content hash, moment, size and
encoding. Whatever a photo is called and whichever index it is in, its thumbnail is the same. The
folder can be deleted at any time; where it cannot be written to, thumbnails are made every time.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mmsearch.media.thumbnail import Encoding

LIMIT = 1 << 30
"""Bytes on disk beyond which the thumbnails that were not used for longest are dropped."""

_VERSION = "1"  # another one where thumbnails of the same content come out differently
_KEPT = 0.8  # share of the limit that is left after dropping
_LOOK_AFTER = 0.02  # share of the limit that is written from one look at the whole to the next
_USED = 24 * 3600.0  # seconds; how precisely it is known when a thumbnail was last used
_ABANDONED = 3600.0  # seconds after which a file that is still being written never will be
_PARTIAL = ".part"

_log = logging.getLogger(__name__)
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class ThumbnailKey:
    """What a thumbnail shows, and how.

    Attributes:
        content: hash of the file's content, hexadecimal.
        size: pixels of the longer side.
        encoding: how it is stored.
        time: seconds into a video; None for a photo.
    """

    content: str
    size: int
    encoding: Encoding
    time: float | None = None

    @property
    def name(self) -> str:
        """A file name; equal thumbnails have equal names, and others have not."""
        moment = "" if self.time is None else f"-{round(self.time * 1000)}"
        return f"{self.content}{moment}-{self.size}-{_VERSION}.{self.encoding.value}"


class ThumbnailCache:
    """Keeps thumbnails on disk. Safe to use from several threads and processes.

    Args:
        folder: the folder of caches.
        limit: bytes on disk to keep below.
    """

    def __init__(self, folder: Path, *, limit: int = LIMIT) -> None:
        self._folder = folder / "thumbnails"
        self._limit = limit
        self._written = limit  # the first thumbnail that is written has the whole looked at
        self._turn = threading.Lock()

    def get(self, key: ThumbnailKey) -> bytes | None:
        """A thumbnail that is kept, or None."""
        path = self._path(key)
        try:
            data = path.read_bytes()
            # Not at each use, which would write to the disk.
            if time.time() - path.stat().st_mtime > _USED:
                os.utime(path)
        except OSError:
            return None
        return data or None

    def put(self, key: ThumbnailKey, data: bytes) -> None:
        """Keeps a thumbnail; readers see all of it or nothing."""
        path = self._path(key)
        part = path.with_name(f"{path.name}.{os.getpid()}-{next(_numbers)}{_PARTIAL}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(data)
            part.replace(path)
        except OSError as error:
            _log.info("Thumbnails are not kept in %s: %s", self._folder, error)
            with suppress(OSError):
                part.unlink()
            return
        self._count(len(data))

    def _path(self, key: ThumbnailKey) -> Path:
        return self._folder / key.content[:2] / key.name

    def _count(self, size: int) -> None:
        """Looks at the whole from time to time, as other processes write too."""
        with self._turn:
            self._written += size
            if self._written < self._limit * _LOOK_AFTER:
                return
            self._written = 0
        self._drop_oldest()

    def _drop_oldest(self) -> None:
        """Makes room; where another process does so already, it does no harm."""
        kept: list[tuple[float, int, str]] = []
        now = time.time()
        for path, found in _files(self._folder):
            if path.endswith(_PARTIAL):
                if now - found.st_mtime > _ABANDONED:
                    _remove(path)
            else:
                kept.append((found.st_mtime, found.st_size, path))
        total = sum(size for _, size, _ in kept)
        if total <= self._limit:
            return
        for _, size, path in sorted(kept):
            if total <= self._limit * _KEPT:
                break
            _remove(path)
            total -= size


def _files(folder: Path) -> list[tuple[str, os.stat_result]]:
    """Everything that is kept; what vanishes meanwhile is left out."""
    found = []
    with suppress(OSError), os.scandir(folder) as folders:
        for inner in folders:
            with suppress(OSError), os.scandir(inner) as entries:
                for entry in entries:
                    with suppress(OSError):
                        found.append((entry.path, entry.stat()))
    return found


def _remove(path: str) -> None:
    with suppress(OSError):  # gone already, or being read on Windows
        os.unlink(path)  # noqa: PTH108 - no Path for each of many files
