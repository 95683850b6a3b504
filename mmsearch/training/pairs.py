"""Photos and their texts as plain arrays, which is all that the methods see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmsearch.encoders.base import Embeddings, Features


@dataclass(frozen=True, slots=True)
class Rows:
    """What an encoder makes of some photos or some texts.

    Attributes:
        features: float32, shape (n, features), what a head takes.
        base: float32, shape (n, dim), rows of unit length: the embeddings that a residual head
            adds to; None where the heads alone make the embedding.
    """

    features: Features
    base: Embeddings | None = None

    def __getitem__(self, chosen: NDArray[np.int64]) -> Rows:
        """Some of the rows."""
        return Rows(self.features[chosen], None if self.base is None else self.base[chosen])


@dataclass(frozen=True, slots=True)
class Pairs:
    """Captioned photos.

    Attributes:
        views: the same photos, seen in one or more ways; the first is the plain one.
        texts: their captions.
        photo_of_text: int64, shape (texts,); each photo has at least one text.
    """

    views: Sequence[Rows]
    texts: Rows
    photo_of_text: NDArray[np.int64]

    @property
    def photos(self) -> int:
        """How many photos there are."""
        return len(self.views[0].features)

    def part(self, photos: NDArray[np.int64]) -> Pairs:
        """Some of the photos, in this order, with all of their texts.

        Args:
            photos: int64, indices, each at most once.
        """
        texts, photo_of_text = texts_of(photos, self.photo_of_text)
        return Pairs([view[photos] for view in self.views], self.texts[texts], photo_of_text)


def texts_of(
    photos: NDArray[np.int64], photo_of_text: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The texts of some photos.

    Args:
        photos: int64, indices, each at most once.
        photo_of_text: int64, shape (texts,), the index of each text's photo among all.

    Returns:
        Indices of their texts, int64, ascending, and of each of these the place of its photo in
        ``photos``, int64.
    """
    place = np.full(max(photo_of_text.max(initial=-1), photos.max(initial=-1)) + 1, -1)
    place[photos] = np.arange(len(photos))
    texts = np.flatnonzero(place[photo_of_text] >= 0)
    return texts, place[photo_of_text[texts]]


def texts_by_photo(photo_of_text: NDArray[np.int64], photos: int) -> list[NDArray[np.int64]]:
    """Which texts each photo has.

    Args:
        photo_of_text: int64, shape (texts,).
        photos: how many there are.

    Returns:
        For each photo the indices of its texts, int64, ascending.
    """
    order = np.argsort(photo_of_text, kind="stable")
    ends = np.cumsum(np.bincount(photo_of_text, minlength=photos))
    return np.split(order, ends[:-1])


def some_of_each(
    photo_of_text: NDArray[np.int64], count: int, generator: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Draws texts of each photo, without replacement.

    Args:
        photo_of_text: int64, shape (texts,); each photo has at least one text.
        count: of each photo, or all that it has where those are fewer.
        generator: of chance.

    Returns:
        For each photo the indices of its texts, int64.
    """
    shuffled = generator.permutation(len(photo_of_text))
    photos = int(photo_of_text.max(initial=-1)) + 1
    return [shuffled[own[:count]] for own in texts_by_photo(photo_of_text[shuffled], photos)]
