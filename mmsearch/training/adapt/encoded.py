"""Embeddings and features of a data set, computed once by an encoder and kept on disk.

They are kept in chunks, so that a run that was cut short goes on where it stopped and a data set
that grew is not encoded anew.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable, Sequence
from contextlib import closing
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmsearch.encoders.base import (
    DualEncoder,
    Encoded,
    Pixels,
    images_with_features,
    texts_with_features,
)
from mmsearch.errors import MediaError
from mmsearch.evaluation.evaluate import decode_photo
from mmsearch.ingest.overlap import map_ahead
from mmsearch.items import Failure
from mmsearch.training.adapt.dataset import Contents, Progress

_PHOTOS = 256  # of a chunk
_TEXTS = 1024  # of a chunk
_KEPT_BYTES = 8e9


class View(StrEnum):
    """How a photo is looked at."""

    PLAIN = "plain"
    MIRRORED = "mirrored"


class EncodedCache:
    """Encodes photos and texts, or finds what was encoded before.

    What was kept for another encoder, other photos or other texts is never used. The oldest is
    dropped where more than 8 GB are kept.

    Args:
        encoder: the encoder.
        folder: where to keep; made when needed.
        progress: told of each chunk.
    """

    def __init__(self, encoder: DualEncoder, folder: Path, progress: Progress) -> None:
        self._encoder = encoder
        self._folder = folder
        self._progress = progress
        self._stamp = f"{encoder.id}\n{encoder.transform!r}\n{encoder.dim}"

    def photos(self, contents: Contents, view: View) -> tuple[Encoded, list[Failure]]:
        """Encodes photos.

        Args:
            contents: the photos, named by the hashes of their contents.
            view: how to look at them.

        Returns:
            float16-rounded embeddings and features, a row for each photo that can be decoded;
            and the photos that cannot, with reasons.
        """
        paths, hashes = contents.dataset.photos, contents.hashes
        parts: list[Encoded] = []
        failures: list[Failure] = []
        for start in range(0, len(paths), _PHOTOS):
            chunk = slice(start, start + _PHOTOS)
            encode = partial(self._encode_photos, paths[chunk], view)
            encoded, reasons = self._chunk(["photos", view, *hashes[chunk]], encode)
            parts.append(encoded)
            failures += [
                Failure(path, str(reason))
                for path, reason in zip(paths[chunk], reasons, strict=True)
                if reason
            ]
            self._progress(f"{view} photos", min(start + _PHOTOS, len(paths)), len(paths))
        return _joined(parts), failures

    def texts(self, texts: Sequence[str]) -> Encoded:
        """Encodes texts; float16-rounded embeddings and features, a row each."""
        parts = []
        for start in range(0, len(texts), _TEXTS):
            chunk = texts[start : start + _TEXTS]
            encoded, _ = self._chunk(["texts", *chunk], partial(self._encode_texts, chunk))
            parts.append(encoded)
            self._progress("captions", min(start + _TEXTS, len(texts)), len(texts))
        return _joined(parts)

    def _encode_texts(self, texts: Sequence[str]) -> tuple[Encoded, list[str]]:
        return texts_with_features(self._encoder, texts), []

    def _encode_photos(self, paths: Sequence[Path], view: View) -> tuple[Encoded, list[str]]:
        transform, size = self._encoder.transform, self._encoder.batch_size

        def pixels_of(path: Path) -> Pixels | MediaError:
            try:
                return transform(decode_photo(path, transform))
            except MediaError as error:
                return error

        reasons: list[str] = []
        waiting: list[Pixels] = []
        parts: list[Encoded] = []

        def encode() -> None:
            if waiting:
                pixels = np.stack(waiting)
                if view is View.MIRRORED:
                    pixels = np.ascontiguousarray(pixels[:, :, ::-1])
                parts.append(images_with_features(self._encoder, pixels))
                waiting.clear()

        with closing(map_ahead(pixels_of, paths, batch=size)) as results:
            for _, result in results:
                reasons.append(str(result) if isinstance(result, MediaError) else "")
                if not isinstance(result, MediaError):
                    waiting.append(result)
                if len(waiting) == size:
                    encode()
        encode()
        return _joined(parts), reasons

    def _chunk(
        self, key: Sequence[str], encode: Callable[[], tuple[Encoded, list[str]]]
    ) -> tuple[Encoded, Sequence[str]]:
        digest = hashlib.sha256(self._stamp.encode("utf-8", "surrogatepass"))
        for part in key:
            digest.update(b"\0" + part.encode("utf-8", "surrogatepass"))
        path = self._folder / f"{digest.hexdigest()[:32]}.npz"
        kept = _load(path)
        if kept is None:
            encoded, reasons = encode()
            _save(path, encoded, reasons)
            kept = _load(path)
            if kept is None:  # the disk is full, or somebody cleans up
                return encoded, reasons
        return kept

    def tidy(self) -> None:
        """Drops what was not used for longest until at most 8 GB are kept."""
        files = [(path, path.stat()) for path in self._folder.glob("*.npz")]
        files.sort(key=lambda file: -max(file[1].st_mtime, file[1].st_atime))
        total = 0
        for path, stat in files:
            total += stat.st_size
            if total > _KEPT_BYTES:
                path.unlink(missing_ok=True)


def _joined(parts: Sequence[Encoded]) -> Encoded:
    if not parts:
        empty = np.empty((0, 0), dtype=np.float32)
        return Encoded(empty, empty)
    filled = [part for part in parts if len(part.embeddings)] or parts[:1]
    return Encoded(
        np.concatenate([part.embeddings for part in filled]),
        np.concatenate([part.features for part in filled]),
    )


def _save(path: Path, encoded: Encoded, reasons: Sequence[str]) -> None:
    """Writes beside and renames; where that fails, nothing is kept and nothing is lost."""
    arrays: dict[str, Any] = {
        "embeddings": encoded.embeddings.astype(np.float16),
        "reasons": np.array(reasons, dtype=np.str_),
    }
    if encoded.features is not encoded.embeddings:
        arrays["features"] = encoded.features.astype(np.float16)
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            np.savez(file, **arrays)
        beside.replace(path)
    except OSError:
        pass
    finally:
        beside.unlink(missing_ok=True)


def _load(path: Path) -> tuple[Encoded, Sequence[str]] | None:
    try:
        with np.load(path) as arrays:
            embeddings = arrays["embeddings"].astype(np.float32)
            features = embeddings
            if "features" in arrays:
                features = arrays["features"].astype(np.float32)
            return Encoded(embeddings, features), arrays["reasons"].tolist()
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
