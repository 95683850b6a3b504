"""Residual heads: the last steps of an adapted encoder's towers, and what they are made of."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from mmsearch.encoders.base import Embeddings, Encoded, Features
from mmsearch.encoders.embedded.heads import (
    ADDED,
    Normalisation,
    normalised_photos,
    normalised_texts,
    unit,
)


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

    @property
    def present(self) -> dict[str, ResidualHead]:
        """The heads that there are, by their tower: ``image``, ``text``."""
        both = {"image": self.image, "text": self.text}
        return {tower: head for tower, head in both.items() if head is not None}

    @property
    def present_banks(self) -> dict[str, Normalisation]:
        """The normalisations that there are, likewise."""
        return {"image": self.banks.images, "text": self.banks.texts} if self.banks else {}

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
        for tower, head in self.present.items():
            digest.update(f"\n{tower} {head.input} {head.map.weight.shape}\n".encode())
            digest.update(np.ascontiguousarray(head.map.weight).tobytes())
            digest.update(np.ascontiguousarray(head.map.bias).tobytes())
        for tower, bank in self.present_banks.items():
            digest.update(f"\n{tower} {bank.bank.shape} {bank.numbers}\n".encode())
            digest.update(np.ascontiguousarray(bank.bank).tobytes())
        return digest.hexdigest()[:12]
