"""Gathers what the towers are fine-tuned on: views of the photos, tokens, and what to keep."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmsearch.encoders.base import ImageTransform
from mmsearch.encoders.device import place
from mmsearch.encoders.embedded.heads import Floats
from mmsearch.encoders.embedded.towers import Tokenizer
from mmsearch.evaluation.datasets import CaptionedPhotos
from mmsearch.training.features import Progress
from mmsearch.training.minilm import WIDTH, MiniLM
from mmsearch.training.shorts import short_texts
from mmsearch.training.stages import FirstStages, LastStages
from mmsearch.training.towers import ImageTower
from mmsearch.training.views import Halves, photo_views

Tokens = Sequence[Sequence[int]]

_PHOTOS = 64  # at once: what a processor's cache holds
_TEXTS = 128
_REPORTED = 1024  # photos or texts between two reports of progress


class Sizes(Protocol):
    """What of the settings decides how much material there is; see `FineTuning`."""

    @property
    def views(self) -> int:
        """In how many ways a photo is seen."""

    @property
    def short(self) -> float:
        """For what share of the photos a short text takes a caption's place."""


@dataclass(frozen=True, slots=True)
class Material:
    """What the towers are trained on.

    Attributes:
        views: of the photos, each float16 of shape (photos, channels, positions).
        logits: of the views, from the image tower as it was, each float16 of shape
            (photos, classes).
        captions: token ids of the captions, then of the short texts.
        photo_of_caption: int64, shape (captions,); each photo has at least one caption.
        photo_of_short: int64, shape (short texts,); a photo may have none.
        sentences: what the features of ``captions`` must go on saying, float32, shape
            (captions + short texts, sentence).
        others: token ids of other texts; may be empty.
        other_sentences: float32, shape (others, sentence).
    """

    views: Sequence[Halves]
    logits: Sequence[Halves]
    captions: Tokens
    photo_of_caption: NDArray[np.int64]
    photo_of_short: NDArray[np.int64]
    sentences: Floats
    others: Tokens
    other_sentences: Floats

    @property
    def captions_said(self) -> Floats:
        """``sentences`` of the captions alone."""
        return self.sentences[: len(self.photo_of_caption)]


@dataclass(frozen=True, slots=True)
class Untrained:
    """What the towers see before they are trained, to fit the heads that they start with.

    Attributes:
        views: features of the views, each float32 of shape (photos, features).
        captions: float32, shape (captions, features).
    """

    views: Sequence[Floats]
    captions: Floats


class Gatherer:
    """Makes the material of one run.

    Args:
        image: the image tower.
        last: its last stages, on the device where they are trained.
        text: the text tower, on the same device.
        tokenizer: the text tower's.
        transform: the image preprocessing.
        kept: the folder where views are kept.
        progress: told of each step.
    """

    def __init__(
        self,
        image: ImageTower,
        last: LastStages,
        text: MiniLM,
        tokenizer: Tokenizer,
        transform: ImageTransform,
        kept: Path,
        progress: Progress,
    ) -> None:
        self._last, self._text, self._tokenizer = last, text, tokenizer
        self._transform, self._kept, self._progress = transform, kept, progress
        self._device = text.segment.device
        # Half the time in bfloat16, and as good to train on.
        first = copy.deepcopy(FirstStages(image, len(last.stages)))
        first = first.to(self._device, fast_dtype(self._device))
        self._first = first.to(memory_format=torch.channels_last)

    def quietly(self) -> Gatherer:
        """The same, with nobody told."""
        other = copy.copy(self)
        other._progress = lambda _step, _done, _total: None
        return other

    def views(self, photos: Sequence[Path], count: int) -> list[Halves]:
        """What `photo_views` gives."""
        return photo_views(photos, self._first, self._transform, count, self._kept, self._progress)

    def tokens(self, texts: Sequence[str]) -> Tokens:
        """Token ids of texts."""
        return self._tokenizer.ids(texts)

    def shorts(
        self, train: CaptionedPhotos, names: Sequence[str], logits: Halves, sizes: Sizes
    ) -> tuple[list[str], NDArray[np.int64]]:
        """What `short_texts` gives, or nothing where none are wanted."""
        if not sizes.short:
            return [], np.empty(0, dtype=np.int64)
        return short_texts(train, names, logits)

    def seen(self, views: Sequence[Halves]) -> tuple[list[Floats], list[Halves]]:
        """Features and logits of each view, with the last stages as they are."""
        features, logits = [], []
        total = sum(map(len, views))
        for number, view in enumerate(views):
            parts = []
            for start in range(0, len(view), _REPORTED):
                with torch.inference_mode():
                    seen = photo_features(self._last, view[start : start + _REPORTED])
                parts.append([some.cpu().numpy() for some in seen])
                done = number * len(view) + min(start + _REPORTED, len(view))
                self._progress("features of photos", done, total)
            both = [np.concatenate(some) for some in zip(*parts, strict=True)]
            features.append(both[0])
            logits.append(both[1].astype(np.float16))
        return features, logits

    def read(self, tokens: Tokens) -> Floats:
        """Features of texts, with the text tower as it is, float32, shape (texts, features)."""
        parts: list[Floats] = []
        for start in range(0, len(tokens), _REPORTED):
            with torch.inference_mode():
                parts.append(
                    text_features(self._text, tokens[start : start + _REPORTED]).cpu().numpy()
                )
            self._progress("features of texts", min(start + _REPORTED, len(tokens)), len(tokens))
        return np.concatenate(parts)


def gather(
    gatherer: Gatherer,
    train: CaptionedPhotos,
    names: Sequence[str],
    things: Sequence[str],
    sizes: Sizes,
) -> tuple[Material, Untrained]:
    """The material of a run that starts from the published towers.

    What texts must go on saying is MiniLM's sentence embedding.

    Args:
        gatherer: with the towers.
        train: captioned photos.
        names: of ImageNet's classes.
        things: names of other things; all of these must go on meaning what they mean.
        sizes: how many views, and whether there are short texts.
    """
    seen = gatherer.views(train.photos, sizes.views)
    features, logits = gatherer.seen(seen)
    shorts, photo_of_short = gatherer.shorts(train, names, logits[0], sizes)
    captions = gatherer.tokens([*train.captions, *shorts])
    more = gatherer.tokens([*names, *things])
    read, read_more = gatherer.read(captions), gatherer.read(more)
    material = Material(
        views=seen,
        logits=logits,
        captions=captions,
        photo_of_caption=train.photo_of_caption,
        photo_of_short=photo_of_short,
        sentences=read[:, :WIDTH].copy(),
        others=more,
        other_sentences=read_more[:, :WIDTH].copy(),
    )
    return material, Untrained(features, read[: len(train.captions)])


def fast_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device multiplies in it, else float32."""
    native = place("cuda" if device.type == "cuda" else "cpu").dtype is torch.bfloat16
    return torch.bfloat16 if native else torch.float32


def _autocast(device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=fast_dtype(device) is torch.bfloat16)


def photo_features(stages: LastStages, hidden: Halves) -> tuple[Tensor, Tensor]:
    """Features and logits of photos.

    Args:
        stages: the last stages of the image tower.
        hidden: from the first stages, shape (n, channels, positions).

    Returns:
        float32, shapes (n, features) and (n, classes).
    """
    device = next(stages.parameters()).device
    parts = []
    for start in range(0, len(hidden), _PHOTOS):
        rows = np.ascontiguousarray(hidden[start : start + _PHOTOS].transpose(1, 0, 2))
        with _autocast(device):
            parts.append(stages(torch.from_numpy(rows).to(device, fast_dtype(device))))
    features, logits = (torch.cat(some) for some in zip(*parts, strict=True))
    return features.float(), logits.float()


def text_features(tower: MiniLM, tokens: Tokens) -> Tensor:
    """Features of texts, float32, shape (n, features); those of like length are read together."""
    device = tower.segment.device
    order = sorted(range(len(tokens)), key=lambda index: len(tokens[index]))
    parts = []
    for start in range(0, len(order), _TEXTS):
        block = [tokens[index] for index in order[start : start + _TEXTS]]
        ids = torch.zeros((len(block), len(block[-1])), dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for row, text in enumerate(block):
            ids[row, : len(text)] = torch.tensor(text)
            mask[row, : len(text)] = 1
        with _autocast(device):
            parts.append(tower(ids.to(device), mask.to(device)).float())
    back = torch.empty(len(order), dtype=torch.int64)
    back[torch.tensor(order)] = torch.arange(len(order))
    return torch.cat(parts)[back.to(device)]
