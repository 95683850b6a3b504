"""Embeds what candidates show, whole or in parts, and remembers it on disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mmsearch.encoders.base import DualEncoder, Embeddings, Pixels
from mmsearch.search.rerank.base import Candidate, open_or_none
from mmsearch.search.rerank.cache import EmbeddingCache

if TYPE_CHECKING:
    from PIL.Image import Image

Box: TypeAlias = tuple[int, int, int, int]
"""Left, upper, right and lower edge in pixels."""


@dataclass(frozen=True, slots=True)
class Views:
    """Which parts of a picture are embedded.

    Attributes:
        name: tells these from other parts, in what is kept on disk.
        boxes: the parts of a picture of a width and height.
        finest: the share of a side that the smallest part has.
    """

    name: str
    boxes: Callable[[int, int], Sequence[Box]]
    finest: float = 1.0


def whole(width: int, height: int) -> list[Box]:
    """The whole picture."""
    return [(0, 0, width, height)]


def grid(width: int, height: int, *, side: float, count: int) -> list[Box]:
    """Parts of the picture's own aspect ratio that overlap and cover it.

    Args:
        width: of the picture, in pixels.
        height: likewise.
        side: of a part, as a share of the picture's.
        count: of parts beside and below each other, at least 2.
    """
    across, down = max(1, round(width * side)), max(1, round(height * side))
    return [
        (left, upper, left + across, upper + down)
        for upper in np.linspace(0, height - down, count).round().astype(int).tolist()
        for left in np.linspace(0, width - across, count).round().astype(int).tolist()
    ]


class PictureEmbedder:
    """Embeds candidates' pictures with one encoder.

    Args:
        encoder: its image tower is used by one thread at a time.
        views: which parts of a picture.
        cache: remembers embeddings; None for not at all.
    """

    def __init__(self, encoder: DualEncoder, views: Views, cache: EmbeddingCache | None) -> None:
        self._encoder = encoder
        self._views = views
        self._cache = cache
        self._kept_as = f"{encoder.id} {views.name}"
        self._turn = threading.Lock()

    def known(self, candidates: Sequence[Candidate]) -> dict[Hashable, Embeddings]:
        """What is remembered of candidates, by their keys: float32, shape (parts, dim) each."""
        if self._cache is None:
            return {}
        return self._kept(candidates, self._cache.known_names(candidates))

    def __call__(self, candidates: Sequence[Candidate]) -> dict[Hashable, Embeddings]:
        """The embeddings of each picture's parts, by the candidates' keys, and remembers them.

        Those that cannot be read are left out, with a notice.

        Returns:
            float32, shape (parts, dim) each, rows of unit length.
        """
        names: list[str | None] = [None] * len(candidates)
        if self._cache is not None:
            names = self._cache.names(candidates)
        kept = self._kept(candidates, names)  # of the same content under another name
        new = [
            (one, name) for one, name in zip(candidates, names, strict=True) if one.key not in kept
        ]
        return kept | self._embedded(new)

    def _kept(
        self, candidates: Sequence[Candidate], names: Sequence[str | None]
    ) -> dict[Hashable, Embeddings]:
        """What is remembered of candidates whose content has these names."""
        if self._cache is None:
            return {}
        wanted = [name for name in names if name is not None]
        kept = self._cache.get(self._kept_as, wanted, self._encoder.dim)
        return {
            one.key: kept[name]
            for one, name in zip(candidates, names, strict=True)
            if name is not None and name in kept
        }

    def _embedded(
        self, named: Sequence[tuple[Candidate, str | None]]
    ) -> dict[Hashable, Embeddings]:
        """Embeds the pictures of candidates, and remembers those whose content has a name."""
        pixels = [
            (one, name, parts) for one, name in named if (parts := self._pixels(one)) is not None
        ]
        if not pixels:
            return {}
        with self._turn:
            rows = self._encoder.encode_images(np.concatenate([parts for _, _, parts in pixels]))
        embeddings = np.split(rows, np.cumsum([len(parts) for _, _, parts in pixels])[:-1])
        found = [(one, name, e) for (one, name, _), e in zip(pixels, embeddings, strict=True)]
        if self._cache is not None:
            self._cache.put(
                self._kept_as, {name: parts for _, name, parts in found if name is not None}
            )
        return {one.key: parts for one, _, parts in found}

    def texts(self, texts: Sequence[str]) -> Embeddings:
        """Embeds texts with the same encoder: float32, shape (n, dim)."""
        with self._turn:
            return self._encoder.encode_texts(texts)

    def image(self, image: Image) -> Embeddings:
        """The embeddings of one picture's parts: float32, shape (parts, dim)."""
        parts = self._parts(image)
        with self._turn:
            return self._encoder.encode_images(parts)

    def _pixels(self, candidate: Candidate) -> Pixels | None:
        transform = self._encoder.transform
        # As large as the smallest part needs it, which decodes faster than at full resolution.
        size = (
            round(transform.width / self._views.finest),
            round(transform.height / self._views.finest),
        )
        image = open_or_none(candidate, size)
        return None if image is None else self._parts(image)

    def _parts(self, image: Image) -> Pixels:
        boxes = self._views.boxes(image.width, image.height)
        return np.stack([self._encoder.transform(image.crop(box)) for box in boxes])
