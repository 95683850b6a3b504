"""What the exported towers see of a captioned data set, computed once and kept on disk.

Features come from the exported files, so the heads are trained on exactly what they get at
query time, rounding of the weights included.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from mmsearch.encoders.base import ImageTransform, Pixels
from mmsearch.encoders.embedded.heads import Floats
from mmsearch.encoders.embedded.manifest import IMAGE_TOWER, TEXT_TOWER, TOKENIZER
from mmsearch.encoders.embedded.towers import IMAGE_BATCH, ImageTower, TextTower, Tokenizer
from mmsearch.errors import MediaError, TrainingError
from mmsearch.evaluation.evaluate import decode_photo

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the name of a step, how much of it is done, and of how much."""


_TEXTS = 1024  # read between two reports of progress


@dataclass(frozen=True, slots=True)
class ImageFeatures:
    """What the image tower sees of some photos.

    Attributes:
        features: float32, shape (photos, features).
        logits: float32, shape (photos, classes).
    """

    features: Floats
    logits: Floats


class FeatureStore:
    """Computes features, or finds what was computed before.

    Args:
        weights: the folder that holds the exported towers.
        kept: the folder where features are kept. What was kept for another tower, other photos
            or other texts is never used.
        progress: told of each batch.
    """

    def __init__(self, weights: Path, kept: Path, progress: Progress) -> None:
        self._weights = weights
        self._folder = kept
        self._progress = progress
        kept.mkdir(parents=True, exist_ok=True)

    def of_photos(self, photos: Sequence[Path], transform: ImageTransform) -> ImageFeatures:
        """Features of photos.

        Args:
            photos: files.
            transform: the image preprocessing.

        Raises:
            TrainingError: a photo cannot be read; the message names it.
        """
        stamps = [f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in photos]
        kept = self._kept(IMAGE_TOWER, [repr(transform), *stamps])
        if not kept.exists():
            tower = ImageTower(self._weights / IMAGE_TOWER, threads=None)
            batches: list[tuple[Floats, Floats]] = []
            for start in range(0, len(photos), IMAGE_BATCH):
                pixels = load_photos(photos[start : start + IMAGE_BATCH], transform)
                batches.append(tower(pixels))
                self._progress("photos", start + len(pixels), len(photos))
            features, logits = (np.concatenate(parts) for parts in zip(*batches, strict=True))
            _write(kept, features=features, logits=logits)
        with np.load(kept) as arrays:
            return ImageFeatures(arrays["features"], arrays["logits"])

    def of_texts(self, texts: Sequence[str]) -> Floats:
        """Features of texts, float32, shape (texts, features)."""
        kept = self._kept(TEXT_TOWER, texts)
        if not kept.exists():
            tokenizer = Tokenizer(self._weights / TOKENIZER)
            tower = TextTower(self._weights / TEXT_TOWER, tokenizer, threads=None)
            batches = []
            for start in range(0, len(texts), _TEXTS):
                batches.append(tower(texts[start : start + _TEXTS]))
                self._progress("captions", min(start + _TEXTS, len(texts)), len(texts))
            _write(kept, features=np.concatenate(batches))
        with np.load(kept) as arrays:
            features: Floats = arrays["features"]
            return features

    def _kept(self, tower: str, what: Sequence[str]) -> Path:
        digest = hashlib.sha256((self._weights / tower).read_bytes())
        for part in what:
            digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
        return self._folder / f"{Path(tower).stem}-{digest.hexdigest()[:16]}.npz"


def _write(path: Path, **arrays: Any) -> None:
    """Writes arrays; the file appears when it is whole."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, **arrays)
    partial.replace(path)


def load_photos(photos: Sequence[Path], transform: ImageTransform) -> Pixels:
    """The pixels of photos, uint8 RGB, shape (photos, height, width, 3).

    Raises:
        TrainingError: a photo cannot be read; the message names it.
    """
    pixels = []
    for path in photos:
        try:
            pixels.append(transform(decode_photo(path, transform)))
        except MediaError as error:
            raise TrainingError(f"The photo {path} cannot be read: {error}") from error
    return np.stack(pixels)
