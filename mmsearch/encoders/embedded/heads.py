"""The last step of the embedded encoder, in numpy: from what the towers see to embeddings.

Three parts make an embedding:

- The *aligned* part: a linear map of each tower's features, trained so that a photo and its
  captions meet (InfoNCE; van den Oord et al. 2018, Radford et al. 2021).
- The *class name* part, ConSE (Norouzi et al. 2014): for a photo, the sentence embeddings of the
  likeliest ImageNet classes' names, weighted by their probabilities; for a text, its own sentence
  embedding. It knows many things that the captions it was aligned with never name.
- The *normalisation* part, nearest neighbour normalisation (Chowdhury et al. 2024): some photos
  resemble almost any caption, and some captions almost any photo. Each one's mean similarity to
  its nearest neighbours in a bank of the other kind, its bias, is subtracted.

The last part is folded into the vectors, so that similarity stays a plain inner product of unit
vectors. With p the first two parts, b the bias and k a constant:

    photo  [p, -b/k, padding, k, 0]
    text   [p, k, 0, -b/k, padding]

The product is that of the parts, less both biases. Each padding makes its own kind equally long,
so that dividing by the length changes no ranking, and meets a zero in the other kind. Between two
photos the added dimensions are nearly a constant.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.encoders.base import Embeddings
from mmsearch.errors import WeightsError

Floats = NDArray[np.float32]

CLASS_WEIGHT = 0.55
"""Length of the class name part; the aligned part has length 1."""

LIKELIEST = 10
"""How many ImageNet classes speak for a photo."""

BIAS_SCALE = 1.0
"""k above: a larger one moves photo-to-photo similarity less."""

BIAS_LIMIT = 0.3
"""Several times what occurs; a bias is clipped to it."""

ADDED = 4
"""Dimensions that carry the normalisation."""


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Nearest neighbour normalisation of one kind of vectors.

    Attributes:
        bank: float32, shape (entries, dim), parts of the other kind, or centroids of many; may
            have no entry.
        neighbours: how many of the bank are the nearest.
        strength: how much of the mean similarity to them is the bias.
        centre: the mean bias, which is left out.
    """

    bank: Floats
    neighbours: int
    strength: float
    centre: float

    @property
    def numbers(self) -> dict[str, float]:
        """All but the bank, by name."""
        return {
            "neighbours": self.neighbours,
            "strength": self.strength,
            "centre": self.centre,
        }

    def bias(self, parts: Floats) -> Floats:
        """How much vectors resemble the other kind in general.

        Args:
            parts: float32, shape (n, dim).

        Returns:
            float32, shape (n,), not yet centred.
        """
        count = min(self.neighbours, len(self.bank))
        if count == 0:
            return np.zeros(len(parts), dtype=np.float32)
        similarity = parts @ self.bank.T
        nearest = np.partition(similarity, -count, axis=1)[:, -count:].mean(axis=1)
        bias: Floats = np.float32(self.strength) * nearest
        return bias

    def added(self, parts: Floats) -> tuple[Floats, Floats]:
        """The two dimensions that carry the bias and make all vectors equally long."""
        centred = np.clip(self.bias(parts) - self.centre, -BIAS_LIMIT, BIAS_LIMIT)
        carried = -centred / BIAS_SCALE
        return carried, np.sqrt((BIAS_LIMIT / BIAS_SCALE) ** 2 - carried**2)


@dataclass(frozen=True, slots=True)
class ImageHead:
    """From the image tower to embeddings of photos.

    Attributes:
        weight: float32, shape (features, aligned).
        bias: float32, shape (aligned,).
        class_names: float32, shape (classes, names), sentence embeddings of the classes' names.
        normalisation: with a bank of captions.
    """

    weight: Floats
    bias: Floats
    class_names: Floats
    normalisation: Normalisation

    def parts(self, features: Floats, logits: Floats) -> Floats:
        """The aligned and the class name part of photos.

        Args:
            features: float32, shape (n, features).
            logits: float32, shape (n, classes).

        Returns:
            float32, shape (n, aligned + names), rows of equal length.
        """
        aligned = unit(features @ self.weight + self.bias)
        likeliest = np.argpartition(logits, -LIKELIEST, axis=1)[:, -LIKELIEST:]
        top = np.take_along_axis(logits, likeliest, axis=1)
        odds = np.exp(top - top.max(axis=1, keepdims=True))
        names = np.einsum("nk,nkd->nd", odds, self.class_names[likeliest])
        return np.hstack([aligned, CLASS_WEIGHT * unit(names)])

    def embeddings(self, features: Floats, logits: Floats) -> Embeddings:
        """Embeddings of photos, from what ``parts`` takes; rows of unit length."""
        return normalised_photos(self.parts(features, logits), self.normalisation)


@dataclass(frozen=True, slots=True)
class TextHead:
    """From the text tower to embeddings of texts.

    Attributes:
        weight: float32, shape (features, aligned).
        bias: float32, shape (aligned,).
        projection: float32, shape (features, names), from a text's features to its sentence
            embedding in the space of the class names.
        offset: float32, shape (names,), what is added to it.
        normalisation: with a bank of photos.
    """

    weight: Floats
    bias: Floats
    projection: Floats
    offset: Floats
    normalisation: Normalisation

    def parts(self, features: Floats) -> Floats:
        """The aligned and the class name part of texts.

        Args:
            features: float32, shape (n, features).

        Returns:
            float32, shape (n, aligned + names), rows of equal length.
        """
        aligned = unit(features @ self.weight + self.bias)
        sentence = features @ self.projection + self.offset
        return np.hstack([aligned, CLASS_WEIGHT * unit(sentence)])

    def embeddings(self, features: Floats) -> Embeddings:
        """Embeddings of texts, from what ``parts`` takes; rows of unit length."""
        return normalised_texts(self.parts(features), self.normalisation)


def normalised_photos(parts: Floats, normalisation: Normalisation) -> Embeddings:
    """Embeddings of photos, float32, shape (n, dim + 4), rows of unit length.

    Args:
        parts: float32, shape (n, dim), rows of equal length.
        normalisation: with a bank of texts.
    """
    bias, padding = normalisation.added(parts)
    constant = np.full_like(bias, BIAS_SCALE)
    return unit(np.column_stack([parts, bias, padding, constant, np.zeros_like(bias)]))


def normalised_texts(parts: Floats, normalisation: Normalisation) -> Embeddings:
    """Embeddings of texts that meet those of `normalised_photos`.

    Args:
        parts: float32, shape (n, dim), rows of equal length.
        normalisation: with a bank of photos.
    """
    bias, padding = normalisation.added(parts)
    constant = np.full_like(bias, BIAS_SCALE)
    return unit(np.column_stack([parts, constant, np.zeros_like(bias), bias, padding]))


def embedding_dim(aligned: int, names: int) -> int:
    """Length of the embeddings that parts of these lengths make."""
    return aligned + names + ADDED


def unit(rows: Floats) -> Floats:
    """Rows scaled to length 1, as float32; a row of zeros stays."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Floats = (rows / np.maximum(lengths, 1e-12)).astype(np.float32, copy=False)
    return scaled


def save_heads(path: Path, image: ImageHead, text: TextHead) -> None:
    """Writes both heads into one safetensors file, matrices as int8 with a scale a row."""
    from safetensors.numpy import save_file

    arrays: dict[str, NDArray[Any]] = {}
    numbers: dict[str, float] = {}
    for kind, head in (("image", image), ("text", text)):
        fields = asdict(head)
        fields |= {f"normalisation.{name}": v for name, v in fields.pop("normalisation").items()}
        for name, value in fields.items():
            if not isinstance(value, np.ndarray):
                numbers[f"{kind}.{name}"] = value
            elif value.ndim == 1:
                arrays[f"{kind}.{name}"] = value.astype(np.float32)
            else:
                scale = np.abs(value).max(axis=1, keepdims=True, initial=1e-30) / 127
                stored = np.rint(value / scale).astype(np.int8)
                # safetensors writes an array's memory as it lies
                arrays[f"{kind}.{name}"] = np.ascontiguousarray(stored)
                arrays[f"{kind}.{name}.scale"] = scale.astype(np.float32)
    save_file(arrays, path, metadata={_NUMBERS: json.dumps(numbers)})


def load_image_head(path: Path) -> ImageHead:
    """Reads one of the heads that ``save_heads`` wrote.

    Raises:
        WeightsError: ``path`` is not there or holds something else.
    """
    return ImageHead(**_load(path, "image", ("weight", "bias", "class_names")))


def load_text_head(path: Path) -> TextHead:
    """Reads one of the heads that ``save_heads`` wrote.

    Raises:
        WeightsError: ``path`` is not there or holds something else.
    """
    return TextHead(**_load(path, "text", ("weight", "bias", "projection", "offset")))


_NUMBERS = "numbers"  # the key of the file's metadata


def _load(path: Path, kind: str, arrays: tuple[str, ...]) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            numbers = json.loads(file.metadata()[_NUMBERS])
            names = file.keys()
            stored = {name: file.get_tensor(name) for name in names if name.startswith(kind)}
        head: dict[str, Any] = {name: _restored(stored, f"{kind}.{name}") for name in arrays}
        prefix = f"{kind}.normalisation"
        head["normalisation"] = Normalisation(
            bank=_restored(stored, f"{prefix}.bank"),
            neighbours=numbers[f"{prefix}.neighbours"],
            strength=numbers[f"{prefix}.strength"],
            centre=numbers[f"{prefix}.centre"],
        )
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"The weights {path} cannot be loaded: {error}") from error
    return head


def _restored(stored: Mapping[str, NDArray[Any]], name: str) -> Floats:
    """An array of the file as float32."""
    values = stored[name].astype(np.float32)
    return values * stored[f"{name}.scale"] if values.ndim > 1 else values
