"""The embedded encoder, run by ONNX Runtime and tokenizers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from mmsearch.encoders.base import (
    Embeddings,
    Encoded,
    EncoderIdentity,
    ImageTransform,
    Pixels,
)
from mmsearch.encoders.embedded.heads import ImageHead, TextHead, load_image_head, load_text_head
from mmsearch.encoders.embedded.manifest import (
    HEADS,
    IMAGE_TOWER,
    TEXT_TOWER,
    TOKENIZER,
    Manifest,
)
from mmsearch.encoders.embedded.towers import IMAGE_BATCH, ImageTower, TextTower, Tokenizer

WEIGHTS = Path(__file__).parent / "weights"
"""The weights that ship inside the package."""


class EmbeddedEncoder:
    """EfficientNet-Lite2 and MiniLM, aligned on captioned photos.

    An embedding does not depend on what else is in its batch, beyond rounding. The towers are
    loaded when first used. Runs on the CPU.

    Args:
        threads: how many images or blocks of texts are computed side by side; None takes one a
            core.
        weights: a folder that ``mmsearch.training`` has written; by default the weights that
            ship inside the package.
        spec: what loads this encoder again; by default ``embedded``, or ``embedded:FOLDER`` for
            other weights.

    Raises:
        WeightsError: ``weights`` is no such folder.
    """

    def __init__(
        self, *, threads: int | None = None, weights: Path = WEIGHTS, spec: str | None = None
    ) -> None:
        self._threads = threads
        self._weights = weights
        manifest = Manifest.load(weights)
        self._dim = manifest.dim
        self._identity = EncoderIdentity(
            spec=spec or ("embedded" if weights == WEIGHTS else f"embedded:{weights}"),
            name=manifest.name,
            revision=manifest.revision,
            transform=manifest.transform,
        )

    @property
    def weights(self) -> Path:
        """The folder of its weights."""
        return self._weights

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
        return self._dim

    @property
    def transform(self) -> ImageTransform:
        """Makes the pixels that ``encode_images`` takes."""
        return self._identity.transform

    @property
    def batch_size(self) -> int:
        """How many images to encode at once for the best rate."""
        return IMAGE_BATCH

    def expect_images(self, count: int, cores: int) -> None:
        """Takes as many threads as there are cores to use, unless it was made with a number."""
        if count and self._threads is None:
            self._image_tower.threads = cores

    def encode_images(self, pixels: Pixels) -> Embeddings:
        """Embeds images.

        Args:
            pixels: uint8 RGB, shape (n, height, width, 3), as ``transform`` makes them; n may
                be 0.

        Returns:
            float32, shape (n, dim), rows of unit length.

        Raises:
            WeightsError: the weights cannot be loaded.
        """
        if not len(pixels):
            return np.empty((0, self.dim), dtype=np.float32)
        return self.images_with_features(pixels).embeddings

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Embeds texts; what is longer than 128 tokens is cut.

        Returns:
            float32, shape (n, dim), rows of unit length.

        Raises:
            WeightsError: the weights cannot be loaded.
        """
        if not texts:
            return np.empty((0, self.dim), dtype=np.float32)
        return self.texts_with_features(texts).embeddings

    def images_with_features(self, pixels: Pixels) -> Encoded:
        """Embeds images, and keeps the image tower's pooled features.

        Args:
            pixels: as ``encode_images`` takes them, at least one image.

        Raises:
            WeightsError: the weights cannot be loaded.
        """
        features, logits = self._image_tower(pixels)
        # The head comes once, after all images: numpy's threads go on spinning for a while after
        # a product of matrices, on cores that the next image could use.
        return Encoded(self._image_head.embeddings(features, logits), features)

    def texts_with_features(self, texts: Sequence[str]) -> Encoded:
        """Embeds at least one text, and keeps the text tower's pooled features.

        Raises:
            WeightsError: the weights cannot be loaded.
        """
        features = self._text_tower(texts)
        return Encoded(self._text_head.embeddings(features), features)

    def fits(self, text: str) -> bool:
        """Whether a text has at most 128 tokens; only the tokenizer is loaded for it.

        Raises:
            WeightsError: the tokenizer cannot be loaded.
        """
        return self._tokenizer.fits(text)

    @cached_property
    def _image_head(self) -> ImageHead:
        return load_image_head(self._weights / HEADS)

    @cached_property
    def _text_head(self) -> TextHead:
        return load_text_head(self._weights / HEADS)

    @cached_property
    def _image_tower(self) -> ImageTower:
        return ImageTower(self._weights / IMAGE_TOWER, self._threads)

    @cached_property
    def _text_tower(self) -> TextTower:
        return TextTower(self._weights / TEXT_TOWER, self._tokenizer, self._threads)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return Tokenizer(self._weights / TOKENIZER)
