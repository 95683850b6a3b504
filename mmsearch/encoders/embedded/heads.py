"""The last step of the embedded encoder, in numpy: from what the towers see to embeddings.

Three parts make an embedding:

- The *aligned* part: a linear map of each tower's features, trained so that a photo and its
  captions meet (InfoNCE; van den Oord et al. 2018, Radford et al. 2021).
- The *class name* part, ConSE (Norouzi et al. 2014): for a photo, the sentence embeddings of the
  likeliest ImageNet classes' names, weighted by their probabilities; for a text, its own sentence
  embedding. It knows many things that the captions it was aligned with never name.
- The *normalisation* part, nearest neighbour normalisation (Chowdhury et al. 2024): some photos
  resemble almost any caption; each photo's mean similarity to the nearest captions of a bank is
  subtracted.

The last part is folded into the vectors, so that similarity stays a plain inner product of unit
vectors: with b(photo) the centred bias and k a constant, a photo gets the dimension -b/k and a
text the dimension k, whose product is -b. One more dimension, zero for texts, makes all photos
equally long, so that dividing by the length changes no ranking.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmsearch.encoders.base import Embeddings
from mmsearch.errors import WeightsError

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """The numbers of the recipe that are chosen, not trained.

    Attributes:
        class_weight: length of the class name part; the aligned part has length 1.
        likeliest: how many ImageNet classes speak for a photo.
        bank_neighbours: how many captions of the bank are the nearest.
        bank_strength: how much of the mean similarity to them is subtracted.
        bias_scale: the text's constant k. A larger one leaves photo-to-photo similarity more
            alone, a smaller one leaves the other dimensions more precision.
        bias_limit: the centred bias is clipped to this size.
    """

    class_weight: float
    likeliest: int
    bank_neighbours: int
    bank_strength: float
    bias_scale: float
    bias_limit: float


@dataclass(frozen=True, slots=True)
class Heads:
    """Trained heads; all arrays float32 in memory and float16 on disk.

    Attributes:
        settings: the chosen numbers.
        image_weight: shape (image features, aligned).
        image_bias: shape (aligned,).
        text_weight: shape (text features, aligned).
        text_bias: shape (aligned,).
        class_names: shape (classes, names), the names' sentence embeddings, projected.
        sentence_projection: shape (sentence, names), projects a text's sentence embedding, the
            first features of the text tower.
        bank: shape (centroids, aligned + names), what the nearest captions are taken from; may
            have no row.
        bias_centre: the mean bias of the photos it was made with.
    """

    settings: HeadSettings
    image_weight: Floats
    image_bias: Floats
    text_weight: Floats
    text_bias: Floats
    class_names: Floats
    sentence_projection: Floats
    bank: Floats
    bias_centre: float

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        aligned, names = self.image_weight.shape[1], self.class_names.shape[1]
        return int(aligned + names + 2)

    def image_parts(self, features: Floats, logits: Floats) -> Floats:
        """The aligned and the class name part of photos.

        Args:
            features: float32, shape (n, image features).
            logits: float32, shape (n, classes).

        Returns:
            float32, shape (n, aligned + names), rows of equal length.
        """
        aligned = unit(features @ self.image_weight + self.image_bias)
        count = self.settings.likeliest
        likeliest = np.argpartition(logits, -count, axis=1)[:, -count:]
        top = np.take_along_axis(logits, likeliest, axis=1)
        odds = np.exp(top - top.max(axis=1, keepdims=True))
        names = np.einsum("nk,nkd->nd", odds, self.class_names[likeliest])
        return np.hstack([aligned, self.settings.class_weight * unit(names)])

    def text_parts(self, features: Floats) -> Floats:
        """The aligned and the class name part of texts.

        Args:
            features: float32, shape (n, text features).

        Returns:
            float32, shape (n, aligned + names), rows of equal length.
        """
        aligned = unit(features @ self.text_weight + self.text_bias)
        sentence = features[:, : len(self.sentence_projection)] @ self.sentence_projection
        return np.hstack([aligned, self.settings.class_weight * unit(sentence)])

    def bias(self, parts: Floats) -> Floats:
        """How much photos resemble captions in general.

        Args:
            parts: float32, shape (n, aligned + names), from ``image_parts``.

        Returns:
            float32, shape (n,).
        """
        count = min(self.settings.bank_neighbours, len(self.bank))
        if count == 0:
            return np.zeros(len(parts), dtype=np.float32)
        similarity = parts @ self.bank.T
        nearest = np.partition(similarity, -count, axis=1)[:, -count:]
        bias: Floats = np.float32(self.settings.bank_strength) * nearest.mean(axis=1)
        return bias

    def image_embeddings(self, features: Floats, logits: Floats) -> Embeddings:
        """Embeddings of photos, from what ``image_parts`` takes; rows of unit length."""
        parts = self.image_parts(features, logits)
        limit, scale = self.settings.bias_limit, self.settings.bias_scale
        centred = np.clip(self.bias(parts) - self.bias_centre, -limit, limit) / scale
        padding = np.sqrt((limit / scale) ** 2 - centred**2)
        return unit(np.column_stack([parts, -centred, padding]))

    def text_embeddings(self, features: Floats) -> Embeddings:
        """Embeddings of texts, from what ``text_parts`` takes; rows of unit length."""
        parts = self.text_parts(features)
        constant = np.full(len(parts), self.settings.bias_scale, dtype=np.float32)
        return unit(np.column_stack([parts, constant, np.zeros_like(constant)]))

    def save(self, path: Path) -> None:
        """Writes the arrays as float16 and the numbers as metadata, in one safetensors file."""
        from safetensors.numpy import save_file

        arrays = {
            name: np.ascontiguousarray(getattr(self, name), dtype=np.float16) for name in _ARRAYS
        }
        numbers = {**asdict(self.settings), "bias_centre": self.bias_centre}
        save_file(arrays, path, metadata={_NUMBERS: json.dumps(numbers)})

    @classmethod
    def load(cls, path: Path) -> Heads:
        """Reads what ``save`` wrote.

        Raises:
            WeightsError: ``path`` is not there or holds something else.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                numbers = json.loads(file.metadata()[_NUMBERS])
                arrays = {name: file.get_tensor(name).astype(np.float32) for name in _ARRAYS}
            bias_centre = numbers.pop("bias_centre")
            settings = HeadSettings(**numbers)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise WeightsError(f"The weights {path} cannot be loaded: {error}") from error
        return cls(settings=settings, bias_centre=bias_centre, **arrays)


_NUMBERS = "numbers"  # the key of the file's metadata
_ARRAYS = tuple(
    field.name for field in fields(Heads) if field.name not in ("settings", "bias_centre")
)


def unit(rows: Floats) -> Floats:
    """Rows scaled to length 1, as float32; a row of zeros stays."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Floats = (rows / np.maximum(lengths, 1e-12)).astype(np.float32, copy=False)
    return scaled
