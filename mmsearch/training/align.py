"""Trains the linear heads that bring the two towers into one space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from mmsearch.encoders.adapted import AffineMap
from mmsearch.encoders.embedded.heads import Floats
from mmsearch.training.features import Progress
from mmsearch.training.losses import contrastive_loss, unit


@dataclass(frozen=True, slots=True)
class AlignmentSettings:
    """How the linear heads are trained.

    Attributes:
        dim: dimensions of the common space.
        epochs: how often each photo is seen, with one of its captions each time.
        batch: photos per step; each is a negative for the others' captions.
        learning_rate: at the beginning; it falls to 0 on a cosine.
        weight_decay: of AdamW.
        dropout: share of the input features that are dropped. This high, because there are
            fewer photos than features.
        temperature: what similarities are divided by.
        seed: of initialisation, order and dropout.
    """

    dim: int = 384
    epochs: int = 60
    batch: int = 1024
    learning_rate: float = 5e-3
    weight_decay: float = 1e-2
    dropout: float = 0.5
    temperature: float = 1 / 30
    seed: int = 0


def align(
    views: Sequence[Floats],
    texts: Floats,
    photo_of_text: NDArray[np.int64],
    settings: AlignmentSettings,
    progress: Progress,
) -> tuple[AffineMap, AffineMap]:
    """Trains an image head and a text head on each other.

    Args:
        views: features of the same photos, seen in one or more ways (such as mirrored), each
            float32 of shape (photos, image features); a step takes one of them.
        texts: float32, shape (texts, text features).
        photo_of_text: int64, shape (texts,); each photo has at least one text.
        settings: how to train.
        progress: told of each epoch.

    Returns:
        The image head and the text head, for features as they come from the towers.
    """
    generator = np.random.default_rng(settings.seed)
    torch.manual_seed(settings.seed)
    image_scale = Standardisation.of(np.concatenate(views))
    text_scale = Standardisation.of(texts)
    images = [torch.from_numpy(image_scale(view)) for view in views]
    captions = torch.from_numpy(text_scale(texts))
    captions_of = captions_by_photo(photo_of_text, len(images[0]))

    image_head = nn.Linear(images[0].shape[1], settings.dim)
    text_head = nn.Linear(captions.shape[1], settings.dim)
    temperature = torch.tensor(settings.temperature)
    photos = len(images[0])
    batches = math.ceil(photos / settings.batch)
    optimiser = torch.optim.AdamW(
        [*image_head.parameters(), *text_head.parameters()],
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.epochs * batches)

    for epoch in range(settings.epochs):
        for chosen in np.array_split(generator.permutation(photos), batches):
            view = images[generator.integers(len(images))][chosen]
            texts_chosen = [generator.choice(captions_of[photo]) for photo in chosen]
            loss = contrastive_loss(
                _map(image_head, view, settings.dropout),
                _map(text_head, captions[texts_chosen], settings.dropout),
                torch.arange(len(chosen)),
                temperature,
            )
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
        progress("alignment", epoch + 1, settings.epochs)
    return image_scale.fold_into(image_head), text_scale.fold_into(text_head)


def _map(head: nn.Linear, features: Tensor, dropout: float) -> Tensor:
    return unit(head(functional.dropout(features, dropout)))


def captions_by_photo(photo_of_caption: NDArray[np.int64], photos: int) -> list[NDArray[np.int64]]:
    """Which captions each photo has.

    Args:
        photo_of_caption: int64, shape (captions,).
        photos: how many there are.
    """
    order = np.argsort(photo_of_caption, kind="stable")
    ends = np.cumsum(np.bincount(photo_of_caption, minlength=photos))
    return np.split(order, ends[:-1])


@dataclass(frozen=True, slots=True)
class Standardisation:
    """Brings each feature to mean 0 and standard deviation 1.

    Attributes:
        mean: float32, shape (features,).
        deviation: float32, shape (features,), positive.
    """

    mean: Floats
    deviation: Floats

    @classmethod
    def of(cls, rows: Floats) -> Standardisation:
        """The standardisation of some rows; features that hardly vary are left small."""
        return cls(rows.mean(axis=0), rows.std(axis=0) + np.float32(1e-3))

    def __call__(self, rows: Floats) -> Floats:
        """Standardised rows."""
        return (rows - self.mean) / self.deviation

    def fold_into(self, head: nn.Linear) -> AffineMap:
        """A head for rows as they come, from one that was trained on standardised rows."""
        weight = head.weight.detach().cpu().numpy().T / self.deviation[:, None]
        bias = head.bias.detach().cpu().numpy() - self.mean @ weight
        return AffineMap(weight.astype(np.float32), bias.astype(np.float32))

    def unfold_from(self, head: AffineMap) -> nn.Linear:
        """The other way round: a head to train on standardised rows."""
        unfolded = nn.Linear(*head.weight.shape)
        with torch.no_grad():
            unfolded.weight.copy_(torch.from_numpy((head.weight * self.deviation[:, None]).T))
            unfolded.bias.copy_(torch.from_numpy(head.bias + self.mean @ head.weight))
        return unfolded
