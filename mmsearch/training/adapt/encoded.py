"""Embeddings and features of a data set, computed once by an encoder and kept on disk.

They are kept in chunks, so that a run that was cut short goes on where it stopped and a data set
that grew is not encoded anew.
"""

from __future__ import annotations

import hashlib
import logging
import os
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.encoders.base import (
    DualEncoder,
    Encoded,
    FeatureEncoder,
    Features,
    Pixels,
    images_with_features,
    texts_with_features,
)
from mmsearch.errors import MediaError
from mmsearch.evaluation.evaluate import decode_photo
from mmsearch.ingest.overlap import map_ahead
from mmsearch.items import Failure
from mmsearch.training.adapt.dataset import Contents
from mmsearch.training.features import Progress

_log = logging.getLogger("mmsearch.training")

_PHOTOS = 256  # of a chunk
_TEXTS = 1024  # of a chunk
_KEPT_BYTES = 8e9
_LARGEST_HALF = 65504.0


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
        shows = isinstance(encoder, FeatureEncoder)  # which a newer mmsearch may have taught it
        self._stamp = f"{encoder.id}\n{encoder.transform!r}\n{encoder.dim}\n{shows}"

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
            holds = partial(self._still_unreadable, paths[chunk])
            encoded, reasons = self._chunk(["photos", view, *hashes[chunk]], encode, holds)
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
        size = self._encoder.batch_size
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

        with map_ahead(self._pixels, paths, batch=size) as results:
            for _, result in results:
                reasons.append(str(result) if isinstance(result, MediaError) else "")
                if not isinstance(result, MediaError):
                    waiting.append(result)
                if len(waiting) == size:
                    encode()
        encode()
        return _joined(parts), reasons

    def _pixels(self, path: Path) -> Pixels | MediaError:
        try:
            return self._encoder.transform(decode_photo(path, self._encoder.transform))
        except MediaError as error:
            return error

    def _still_unreadable(self, paths: Sequence[Path], reasons: Sequence[str]) -> bool:
        """Whether photos that could not be read cannot be read now: a decoder may have come."""
        unreadable = (path for path, reason in zip(paths, reasons, strict=True) if reason)
        return all(isinstance(self._pixels(path), MediaError) for path in unreadable)

    def _chunk(
        self,
        key: Sequence[str],
        encode: Callable[[], tuple[Encoded, list[str]]],
        holds: Callable[[Sequence[str]], bool] = lambda _: True,
    ) -> tuple[Encoded, Sequence[str]]:
        """What was kept, if its reasons hold, else what is encoded now: the same to the bit."""
        digest = hashlib.sha256(self._stamp.encode("utf-8", "surrogatepass"))
        for part in key:
            digest.update(b"\0" + part.encode("utf-8", "surrogatepass"))
        path = self._folder / f"{digest.hexdigest()[:32]}.npz"
        kept = _load(path)
        if kept is not None and holds(kept[1]):
            with suppress(OSError):
                os.utime(path)  # for `tidy`; not every system records when a file was read
            return kept
        encoded, reasons = encode()
        _save(path, encoded, reasons)
        return _rounded(encoded), reasons

    def tidy(self) -> None:
        """Drops what was not used for longest until at most 8 GB are kept."""
        files = []
        for path in self._folder.glob("*"):
            with suppress(OSError):  # another run tidies up as well
                files.append((path.stat(), path))
        files.sort(key=lambda file: -file[0].st_mtime)
        total = 0
        for stat, path in files:
            total += stat.st_size
            if total > _KEPT_BYTES:
                with suppress(OSError):
                    path.unlink()


def _joined(parts: Sequence[Encoded]) -> Encoded:
    if not parts:
        empty = np.empty((0, 0), dtype=np.float32)
        return Encoded(empty, empty)
    filled = [part for part in parts if len(part.embeddings)] or parts[:1]
    embeddings = np.concatenate([part.embeddings for part in filled])
    if all(part.features is part.embeddings for part in filled):
        return Encoded(embeddings, embeddings)
    return Encoded(embeddings, np.concatenate([part.features for part in filled]))


def _half(rows: Features) -> NDArray[np.floating[Any]]:
    """float16 where all values are within its range."""
    return rows.astype(np.float16) if np.abs(rows).max(initial=0) <= _LARGEST_HALF else rows


def _rounded(encoded: Encoded) -> Encoded:
    """As it will be when it is loaded."""
    embeddings = _half(encoded.embeddings).astype(np.float32)
    if encoded.features is encoded.embeddings:
        return Encoded(embeddings, embeddings)
    return Encoded(embeddings, _half(encoded.features).astype(np.float32))


def _save(path: Path, encoded: Encoded, reasons: Sequence[str]) -> None:
    """Writes beside and renames; where that fails, nothing is kept and nothing is lost."""
    arrays: dict[str, Any] = {
        "embeddings": _half(encoded.embeddings),
        "reasons": np.array(reasons, dtype=np.str_),
    }
    if encoded.features is not encoded.embeddings:
        arrays["features"] = _half(encoded.features)
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            np.savez(file, **arrays)
        beside.replace(path)
    except OSError as error:
        _log.info("What was encoded cannot be kept in %s: %s", path.parent, error)
    finally:
        with suppress(OSError):
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
