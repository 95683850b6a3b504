"""Trains a linear head on each tower's features by contrast, with or without a base to add to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from mmsearch.encoders.adapted import AffineMap
from mmsearch.training.features import Progress
from mmsearch.training.losses import contrastive_loss, unit
from mmsearch.training.pairs import Pairs, Rows, some_of_each
from mmsearch.training.standardise import Standardisation


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """How heads are trained.

    Attributes:
        epochs: how often each photo is seen, at most.
        batch: photos a step; each is a negative for the others' captions.
        captions: of each photo in a step, at most; they are positives of one another's photo.
        learning_rate: at the beginning; it falls to 0 on a cosine.
        weight_decay: of AdamW; with a base, it pulls towards the base.
        dropout: share of the input features that are dropped; high, because there are fewer
            photos than features.
        temperature: what similarities are divided by; None fits it to the base.
        patience: epochs without a lower loss on the held-out part after which training stops.
        dim: dimensions of the embeddings where there is no base.
        seed: of initialisation, order and dropout.
    """

    epochs: int = 60
    batch: int = 1024
    captions: int = 1
    learning_rate: float = 5e-3
    weight_decay: float = 1e-2
    dropout: float = 0.5
    temperature: float | None = None
    patience: int = 8
    dim: int = 384
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Epoch:
    """What an epoch reached.

    Attributes:
        train_loss: mean contrastive loss on the training part.
        held_out_loss: on the held-out part; None where there is none, or it was not computed.
        held_out_mrr: mean of both reciprocal ranks on the held-out part, in percent, likewise.
    """

    train_loss: float
    held_out_loss: float | None
    held_out_mrr: float | None = None


@dataclass(frozen=True, slots=True)
class TrainedHeads:
    """What training made.

    Attributes:
        image: maps features of photos.
        text: maps features of texts.
        history: of all epochs that were run.
        best: the number of epochs after which these heads were taken.
        temperature: what similarities were divided by.
    """

    image: AffineMap
    text: AffineMap
    history: Sequence[Epoch]
    best: int
    temperature: float


def fit_heads(
    train: Pairs,
    settings: HeadSettings,
    *,
    held_out: Pairs | None = None,
    progress: Progress = lambda _step, _done, _total: None,
) -> TrainedHeads:
    """Trains an image head and a text head on each other (InfoNCE; van den Oord et al. 2018).

    Where the rows have a base, an embedding is ``unit(base + head(features))`` and the heads
    start at 0, so that training begins with what the encoder knows. Else it is
    ``unit(head(features))``.

    Args:
        train: captioned photos; a step sees each in one of its views.
        settings: how to train.
        held_out: others, by whose loss the best epoch is chosen; None takes the last epoch.
        progress: told of each epoch.
    """
    image_scale = Standardisation.of(np.concatenate([view.features for view in train.views]))
    text_scale = Standardisation.of(train.texts.features)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        run = _Run(train, settings, image_scale, text_scale)
        best = run.execute(held_out, progress)
    image, text = run.heads
    return TrainedHeads(
        image_scale.fold_into(image),
        text_scale.fold_into(text),
        run.history,
        best,
        run.temperature.item(),
    )


class _Run:
    """One training run."""

    def __init__(
        self, train: Pairs, settings: HeadSettings, image: Standardisation, text: Standardisation
    ) -> None:
        self._settings = settings
        self._scales = image, text
        self._train = self._tensors(train)
        self._generator = np.random.default_rng(settings.seed)
        views, texts, _ = self._train
        self.heads = _new_head(views[0], settings.dim), _new_head(texts, settings.dim)
        self.temperature = torch.tensor(settings.temperature or fitted_temperature(train))
        self.history: list[Epoch] = []

    def execute(self, held_out: Pairs | None, progress: Progress) -> int:
        """Trains, leaves the best heads in ``heads``, and returns the epoch they are from."""
        settings = self._settings
        batches = math.ceil(len(self._train[0][0].features) / settings.batch)
        parameters = [parameter for head in self.heads for parameter in head.parameters()]
        optimiser = torch.optim.AdamW(
            parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.epochs * batches)
        others = None if held_out is None else self._tensors(held_out)
        best, lowest, kept = settings.epochs, math.inf, None
        for epoch in range(1, settings.epochs + 1):
            losses = []
            for loss in self._losses(batches):
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
                losses.append(loss.item())
            held_out_loss = None if others is None else self._plain_loss(others)
            self.history.append(Epoch(float(np.mean(losses)), held_out_loss))
            progress("heads", epoch, settings.epochs)
            if held_out_loss is None:
                continue
            if held_out_loss < lowest:
                best, lowest = epoch, held_out_loss
                kept = [parameter.detach().clone() for parameter in parameters]
            elif epoch - best >= settings.patience:
                break
        if kept is not None:
            with torch.no_grad():
                for parameter, value in zip(parameters, kept, strict=True):
                    parameter.copy_(value)
        return best

    def _losses(self, batches: int) -> Iterator[Tensor]:
        """The loss of each batch of an epoch, one after the other."""
        settings = self._settings
        views, texts, photo_of_text = self._train
        own = some_of_each(photo_of_text.numpy(), settings.captions, self._generator)
        photos = len(views[0].features)
        for chosen in np.array_split(self._generator.permutation(photos), batches):
            view = views[int(self._generator.integers(len(views)))]
            some = [own[photo] for photo in chosen]
            photo_of_some = np.repeat(np.arange(len(chosen)), [len(each) for each in some])
            yield contrastive_loss(
                _embed(self.heads[0], view.rows(chosen), settings.dropout),
                _embed(self.heads[1], texts.rows(np.concatenate(some)), settings.dropout),
                torch.from_numpy(photo_of_some),
                self.temperature,
            )

    @torch.no_grad()
    def _plain_loss(self, pairs: _TensorPairs) -> float:
        views, texts, photo_of_text = pairs
        images = _embed(self.heads[0], views[0], 0.0)
        captions = _embed(self.heads[1], texts, 0.0)
        return contrastive_loss(images, captions, photo_of_text, self.temperature).item()

    def _tensors(self, pairs: Pairs) -> _TensorPairs:
        image, text = self._scales
        return (
            [_Tensors.of(view, image) for view in pairs.views],
            _Tensors.of(pairs.texts, text),
            torch.from_numpy(pairs.photo_of_text),
        )


class _Tensors(NamedTuple):
    """Rows with standardised features."""

    features: Tensor
    base: Tensor | None

    @classmethod
    def of(cls, rows: Rows, scale: Standardisation) -> _Tensors:
        base = None if rows.base is None else torch.from_numpy(rows.base)
        return cls(torch.from_numpy(scale(rows.features)), base)

    def rows(self, chosen: NDArray[np.int64]) -> _Tensors:
        return _Tensors(self.features[chosen], None if self.base is None else self.base[chosen])


_TensorPairs: TypeAlias = tuple[Sequence[_Tensors], _Tensors, Tensor]


def _new_head(rows: _Tensors, dim: int) -> nn.Linear:
    if rows.base is None:
        return nn.Linear(rows.features.shape[1], dim)
    head = nn.Linear(rows.features.shape[1], rows.base.shape[1])
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head


def _embed(head: nn.Linear, rows: _Tensors, dropout: float) -> Tensor:
    added: Tensor = head(functional.dropout(rows.features, dropout))
    return unit(added if rows.base is None else rows.base + added)


def fitted_temperature(pairs: Pairs) -> float:
    """The temperature at which the base explains the pairs best, by its contrastive loss.

    Encoders differ in how far apart they put what belongs together; a temperature that suits
    the base keeps the first steps small.
    """
    photos = np.arange(min(pairs.photos, _TEMPERATURE_PHOTOS))
    some = pairs.part(photos)
    images, texts = some.views[0].base, some.texts.base
    if images is None or texts is None:
        return DEFAULT_TEMPERATURE
    rows = torch.from_numpy(images), torch.from_numpy(texts), torch.from_numpy(some.photo_of_text)
    losses = [contrastive_loss(*rows, torch.tensor(t)).item() for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def residual_settings(features: int, *, seed: int) -> HeadSettings:
    """How heads are trained that add to a base.

    Args:
        features: how many a head takes. One step changes what it adds by its learning rate times
            about their number.
        seed: of chance.
    """
    return HeadSettings(epochs=30, learning_rate=0.01 / features, captions=5, patience=5, seed=seed)


DEFAULT_TEMPERATURE = 1 / 30
_TEMPERATURES = np.geomspace(1 / 200, 1 / 2, 47, dtype=np.float32)
_TEMPERATURE_PHOTOS = 1024
