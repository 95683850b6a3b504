"""Chooses what each step of fine-tuning is shown: some photos, texts of each, and other texts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.training.material import Material, Tokens
from mmsearch.training.pairs import texts_by_photo
from mmsearch.training.tuning import FineTuning


@dataclass(frozen=True, slots=True)
class Step:
    """What one step is shown; all numbers are places in the material.

    Attributes:
        photos: int64, shape (photos,).
        view: in which way they are seen.
        texts: captions and short texts of these photos, int64, shape (texts,).
        photo_of_text: the place of each text's photo in ``photos``, int64, shape (texts,).
        others: texts of no photo, int64, shape (others,).
        tokens: token ids of ``texts``, then of ``others``.
    """

    photos: NDArray[np.int64]
    view: int
    texts: NDArray[np.int64]
    photo_of_text: NDArray[np.int64]
    others: NDArray[np.int64]
    tokens: Tokens


class Sampler:
    """Shows each photo once an epoch.

    Args:
        material: what is trained on.
        settings: how.

    Attributes:
        steps: of one epoch.
    """

    def __init__(self, material: Material, settings: FineTuning) -> None:
        self._material, self._settings = material, settings
        photos = len(material.views[0])
        self._captions_of = texts_by_photo(material.photo_of_caption, photos)
        self._shorts_of = [
            shorts + len(material.photo_of_caption)
            for shorts in texts_by_photo(material.photo_of_short, photos)
        ]
        self._views = len(material.views[: settings.views])
        self._generator = np.random.default_rng(settings.seed)
        self.steps = math.ceil(photos / settings.batch)

    def epoch(self) -> Iterator[Step]:
        """The steps of the next epoch."""
        order = self._generator.permutation(len(self._captions_of))
        for photos in np.array_split(order, self.steps):
            yield self._step(photos)

    def _step(self, photos: NDArray[np.int64]) -> Step:
        material, settings = self._material, self._settings
        view = int(self._generator.integers(self._views))
        of_each = [self._texts_for(photo) for photo in photos]
        texts = np.concatenate(of_each)
        others = self._generator.integers(
            max(1, len(material.others)), size=settings.other_texts if material.others else 0
        )
        tokens = [self._thinned(material.captions[i]) for i in texts]
        tokens += [material.others[i] for i in others]
        photo_of_text = np.repeat(np.arange(len(photos)), [len(some) for some in of_each])
        return Step(photos, view, texts, photo_of_text, others, tokens)

    def _texts_for(self, photo: int) -> NDArray[np.int64]:
        """Some captions of a photo, now and then one of them shorter."""
        chosen = self._generator.permutation(self._captions_of[photo])[: self._settings.captions]
        if len(self._shorts_of[photo]) and self._generator.random() < self._settings.short:
            chosen[-1] = self._generator.choice(self._shorts_of[photo])
        return chosen

    def _thinned(self, tokens: Sequence[int]) -> Sequence[int]:
        """A caption's tokens without some of them; the first and the last are marks, and stay."""
        if not self._settings.word_dropout:
            return tokens
        begin, *words, end = tokens
        kept = self._generator.random(len(words)) >= self._settings.word_dropout
        left = [word for word, is_kept in zip(words, kept, strict=True) if is_kept]
        return [begin, *(left or words), end]

    def state(self) -> dict[str, Any]:
        """How chance goes on, in plain values."""
        return dict(self._generator.bit_generator.state)

    def resume(self, state: dict[str, Any]) -> None:
        """Goes on from what `state` gave."""
        self._generator.bit_generator.state = state
