"""An encoder that remembers its work."""

from __future__ import annotations

from collections.abc import Sequence

from mmsearch.encoders.background import background_texts
from mmsearch.encoders.base import Embeddings, Pixels
from mmsearch.testing import TinyEncoder


class CountingEncoder(TinyEncoder):
    """Remembers how many images and which texts it encoded."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.images = 0
        self.texts: list[str] = []

    def encode_images(self, pixels: Pixels) -> Embeddings:
        self.images += len(pixels)
        return super().encode_images(pixels)

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        if not set(texts) <= set(background_texts()):  # which every new index embeds
            self.texts += texts
        return super().encode_texts(texts)

    def forget(self) -> None:
        self.images = 0
        self.texts.clear()
