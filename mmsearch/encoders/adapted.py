"""An encoder with residual heads: any dual encoder, adapted to somebody's own photos.

A head adds a linear map of what its tower saw to the tower's embedding:

    new = unit(base + input @ weight + bias)

Nearest neighbour normalisation by one's own photos and texts may follow, in four more dimensions.

The input is the base's embedding, or the pooled features that it was computed from where the base
shows them. numpy only: where the base needs no torch, neither does this.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np

from mmsearch.encoders.base import (
    DualEncoder,
    Embeddings,
    Encoded,
    EncoderIdentity,
    Features,
    ImageTransform,
    Pixels,
    Regions,
    encode_regions,
    expect_images,
    images_with_features,
    texts_with_features,
)
from mmsearch.encoders.embedded.heads import (
    ADDED,
    Normalisation,
    normalised_photos,
    normalised_texts,
    unit,
)
from mmsearch.errors import WeightsError

HEADS = "heads.safetensors"


class HeadInput(StrEnum):
    """What a head maps."""

    FEATURES = "features"
    EMBEDDINGS = "embeddings"


@dataclass(frozen=True, slots=True)
class AffineMap:
    """``rows @ weight + bias``.

    Attributes:
        weight: float32, shape (inputs, dim).
        bias: float32, shape (dim,).
    """

    weight: Features
    bias: Features

    def __call__(self, rows: Features) -> Features:
        """Maps rows, float32, shape (n, inputs), to float32, shape (n, dim)."""
        return rows @ self.weight + self.bias

    def scaled(self, share: float) -> AffineMap:
        """The map whose results are ``share`` times as long."""
        factor = np.float32(share)
        return AffineMap(self.weight * factor, self.bias * factor)


@dataclass(frozen=True, slots=True)
class ResidualHead:
    """The last step of one tower of an adapted encoder.

    Attributes:
        input: what the map takes.
        map: from it to what is added to the base's embedding.
    """

    input: HeadInput
    map: AffineMap

    def __call__(self, encoded: Encoded) -> Embeddings:
        """Embeddings of what the base has encoded, float32, shape (n, dim), rows of unit length."""
        return unit(encoded.embeddings + self.added(encoded))

    def added(self, encoded: Encoded) -> Features:
        """What is added to the embeddings, float32, shape (n, dim)."""
        rows = encoded.features if self.input is HeadInput.FEATURES else encoded.embeddings
        return self.map(rows)

    def scaled(self, share: float) -> ResidualHead:
        """The head that goes only this share of the way, 0 (the base) to 1 (this head).

        As heads are linear, this is the interpolation of weights of Wortsman et al. 2022
        (WiSE-FT) between the base and the adapted encoder.
        """
        return replace(self, map=self.map.scaled(share))


@dataclass(frozen=True, slots=True)
class Banks:
    """Nearest neighbour normalisation of both kinds (Chowdhury et al. 2024).

    Attributes:
        images: of photos, with a bank of texts.
        texts: of texts, with a bank of photos.
    """

    images: Normalisation
    texts: Normalisation


@dataclass(frozen=True, slots=True)
class Heads:
    """The last steps of both towers.

    Attributes:
        image: the head of the image tower; None leaves its embeddings as they are.
        text: the head of the text tower, likewise.
        banks: how the results are normalised; None leaves them as they are.
    """

    image: ResidualHead | None
    text: ResidualHead | None
    banks: Banks | None = None

    @property
    def added_dim(self) -> int:
        """How many dimensions more than the base's the embeddings have."""
        return 0 if self.banks is None else ADDED

    def scaled(self, share: float) -> Heads:
        """Both heads, going only this share of the way, and not normalised."""
        return Heads(self.image and self.image.scaled(share), self.text and self.text.scaled(share))

    def images(self, encoded: Encoded) -> Embeddings:
        """Embeddings of photos that the base has encoded."""
        rows = encoded.embeddings if self.image is None else self.image(encoded)
        return rows if self.banks is None else normalised_photos(rows, self.banks.images)

    def texts(self, encoded: Encoded) -> Embeddings:
        """Embeddings of texts that the base has encoded."""
        rows = encoded.embeddings if self.text is None else self.text(encoded)
        return rows if self.banks is None else normalised_texts(rows, self.banks.texts)

    def texts_of(self, embeddings: Embeddings) -> Embeddings:
        """Embeddings of texts, from those of a base that shows no features."""
        return self.texts(Encoded(embeddings, embeddings))

    def revision(self, base: str) -> str:
        """Names these heads on top of a base with this id: 12 hexadecimal digits."""
        digest = hashlib.sha256(base.encode("utf-8", "surrogatepass"))
        for kind, head in _present(self):
            digest.update(f"\n{kind} {head.input} {head.map.weight.shape}\n".encode())
            digest.update(np.ascontiguousarray(head.map.weight).tobytes())
            digest.update(np.ascontiguousarray(head.map.bias).tobytes())
        for kind, bank in _present_banks(self):
            digest.update(f"\n{kind} {bank.bank.shape} {_numbers(bank)}\n".encode())
            digest.update(np.ascontiguousarray(bank.bank).tobytes())
        return digest.hexdigest()[:12]


class AdaptedEncoder:
    """A base encoder with residual heads.

    Args:
        base: the encoder that was adapted.
        heads: what was learnt.
        spec: what loads this encoder again.
        name: for people to read.
        revision: ``heads.revision(base.id)``.
    """

    def __init__(
        self, base: DualEncoder, heads: Heads, *, spec: str, name: str, revision: str
    ) -> None:
        self._base = base
        self._heads = heads
        self._identity = EncoderIdentity(spec, name, revision, base.transform)

    @property
    def base(self) -> DualEncoder:
        """The encoder that was adapted."""
        return self._base

    @property
    def heads(self) -> Heads:
        """What was learnt."""
        return self._heads

    @property
    def identity(self) -> EncoderIdentity:
        """Which encoder this is."""
        return self._identity

    @property
    def id(self) -> str:
        """The same as ``identity.id``."""
        return self._identity.id

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return self._base.dim + self._heads.added_dim

    @property
    def transform(self) -> ImageTransform:
        """Makes the pixels that ``encode_images`` takes."""
        return self._base.transform

    @property
    def batch_size(self) -> int:
        """How many images to encode at once for the best rate."""
        return self._base.batch_size

    def expect_images(self, count: int, cores: int) -> None:
        """Tells the base how many images are to come."""
        expect_images(self._base, count, cores)

    def encode_images(self, pixels: Pixels) -> Embeddings:
        """Embeds images.

        Args:
            pixels: uint8 RGB, shape (n, height, width, 3), as ``transform`` makes them; n may
                be 0.

        Returns:
            float32, shape (n, dim), rows of unit length.
        """
        if not len(pixels):
            return np.empty((0, self.dim), dtype=np.float32)
        return self.images_with_features(pixels).embeddings

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Embeds texts; what is longer than the text tower takes is cut.

        Returns:
            float32, shape (n, dim), rows of unit length.
        """
        if not texts:
            return np.empty((0, self.dim), dtype=np.float32)
        return self.texts_with_features(texts).embeddings

    def images_with_features(self, pixels: Pixels) -> Encoded:
        """Embeds at least one image; the features are those of the base."""
        encoded = images_with_features(self._base, pixels)
        return Encoded(self._heads.images(encoded), encoded.features)

    def texts_with_features(self, texts: Sequence[str]) -> Encoded:
        """Embeds at least one text; the features are those of the base."""
        encoded = texts_with_features(self._base, texts)
        return Encoded(self._heads.texts(encoded), encoded.features)

    def encode_regions(self, pixels: Pixels) -> Regions | None:
        """Embeds the regions of one image; None where the base shows none."""
        regions = encode_regions(self._base, pixels)
        if regions is None:
            return None
        encoded = Encoded(self._heads.images(regions.encoded), regions.encoded.features)
        return Regions(regions.rows, regions.columns, encoded)

    def fits(self, text: str) -> bool:
        """Whether the text tower takes a text whole; what is longer is cut when it is encoded."""
        return self._base.fits(text)


def save_heads(path: Path, heads: Heads) -> None:
    """Writes heads as safetensors: float32 arrays, and in the metadata what each head takes.

    Raises:
        OSError: the file cannot be written.
    """
    from safetensors.numpy import save

    arrays: dict[str, Features] = {}
    inputs: dict[str, object] = {}
    for kind, head in _present(heads):
        arrays[f"{kind}.weight"] = np.ascontiguousarray(head.map.weight, dtype=np.float32)
        arrays[f"{kind}.bias"] = np.ascontiguousarray(head.map.bias, dtype=np.float32)
        inputs[kind] = head.input.value
    for kind, bank in _present_banks(heads):
        arrays[f"{kind}.bank"] = np.ascontiguousarray(bank.bank, dtype=np.float32)
        inputs[f"{kind}.{_NORMALISATION}"] = _numbers(bank)
    # In one entry, as safetensors writes several in any order. And not by `save_file`: its files
    # are their owner's alone, and its errors no OSError.
    path.write_bytes(save(arrays, metadata={_INPUTS: json.dumps(inputs)}))


def load_heads(path: Path) -> Heads:
    """Reads what ``save_heads`` wrote.

    Raises:
        WeightsError: ``path`` is not there or holds something else.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            given = json.loads(file.metadata()[_INPUTS])
            found = {
                kind: ResidualHead(
                    HeadInput(given[kind]),
                    AffineMap(file.get_tensor(f"{kind}.weight"), file.get_tensor(f"{kind}.bias")),
                )
                for kind in _KINDS
                if kind in given
            }
            banks = [
                Normalisation(file.get_tensor(f"{kind}.bank"), **given[f"{kind}.{_NORMALISATION}"])
                for kind in _KINDS
                if f"{kind}.{_NORMALISATION}" in given
            ]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            f"The heads {path} cannot be loaded ({error}); train the encoder again."
        ) from error
    return Heads(found.get("image"), found.get("text"), Banks(*banks) if banks else None)


_KINDS = ("image", "text")
_NORMALISATION = "normalisation"
_INPUTS = "inputs"  # the key of the file's metadata


def _present(heads: Heads) -> list[tuple[str, ResidualHead]]:
    both = (("image", heads.image), ("text", heads.text))
    return [(kind, head) for kind, head in both if head is not None]


def _present_banks(heads: Heads) -> list[tuple[str, Normalisation]]:
    banks = heads.banks
    return [] if banks is None else [("image", banks.images), ("text", banks.texts)]


def _numbers(bank: Normalisation) -> dict[str, float]:
    return {
        "neighbours": bank.neighbours,
        "strength": bank.strength,
        "centre": bank.centre,
    }
