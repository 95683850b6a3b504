"""A base encoder with residual heads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmsearch.encoders.adapted.heads import Heads
from mmsearch.encoders.base import (
    DelegatingEncoder,
    DualEncoder,
    Embeddings,
    Encoded,
    EncoderIdentity,
    Pixels,
    Regions,
    expect_images,
    images_with_features,
    texts_with_features,
)


class AdaptedEncoder(DelegatingEncoder):
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
    def dim(self) -> int:
        """Length of an embedding."""
        return self._base.dim + self._heads.added_dim

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
        regions = super().encode_regions(pixels)
        if regions is None:
            return None
        encoded = Encoded(self._heads.images(regions.encoded), regions.encoded.features)
        return Regions(regions.rows, regions.columns, encoded)
