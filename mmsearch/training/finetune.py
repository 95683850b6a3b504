"""Trains the last stages of both towers together with their heads.

The contrastive loss pulls photos and their captions together. Two more losses keep what a few
thousand captioned photos cannot teach, by distillation (Hinton et al. 2015): the image tower goes
on naming ImageNet's classes as it did, and a text's features go on saying its MiniLM sentence
embedding, for captions as well as for names and definitions of things that no caption names. What
is kept at the end is a running average of the weights (Polyak and Juditsky 1992).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmsearch.training.averaging import Average
from mmsearch.training.checkpoint import Checkpoint
from mmsearch.training.features import Progress
from mmsearch.training.losses import (
    contrastive_loss,
    forgotten_classes,
    forgotten_sentences,
    likeness_of,
    unit,
)
from mmsearch.training.material import Material, photo_features, text_features
from mmsearch.training.minilm import MiniLM
from mmsearch.training.sampling import Sampler, Step
from mmsearch.training.stages import LastStages
from mmsearch.training.tower_heads import TowerHeads
from mmsearch.training.tuning import FineTuning


class Towers(NamedTuple):
    """What is trained, and what it is trained from.

    Attributes:
        image: the last stages of the image tower.
        text: the whole text tower.
    """

    image: LastStages
    text: MiniLM


@dataclass(frozen=True, slots=True)
class TuningEpoch:
    """How far training has come.

    Attributes:
        number: of epochs done, counted from 1.
        loss: mean contrastive loss of this epoch.
        kept: mean of both distillation losses, weighted.
    """

    number: int
    loss: float
    kept: float


def fine_tune(
    towers: Towers,
    heads: TowerHeads,
    material: Material,
    settings: FineTuning,
    kept: Path,
    progress: Progress,
    watch: Callable[[TuningEpoch], float | None] = lambda _epoch: None,
) -> None:
    """Trains towers and heads in place; at the end their weights are the running average.

    Args:
        towers: to train, on the device where they are trained.
        heads: to start from, on the same device.
        material: what to train on.
        settings: how to train.
        kept: the folder where each epoch leaves a checkpoint. A run that finds one of the same
            settings and material goes on from it.
        progress: told of each step.
        watch: told of each epoch, while the weights are the running average. Where it answers
            how good they are, the best are kept at the end, and training stops when
            ``settings.patience`` epochs have brought nothing better.
    """
    training = Training(towers, heads, material, settings)
    checkpoint = Checkpoint(kept / "checkpoint.pt", repr(settings), material)
    checkpoint.load(training)
    for epoch in training.epochs(lambda done, total: progress("fine-tuning", done, total)):
        with training.average.in_place():
            quality = watch(epoch)
        if quality is not None and quality > training.best:
            training.best, training.best_epoch = quality, epoch.number
            training.average.remember()
        checkpoint.save(training)
        if quality is not None and epoch.number - training.best_epoch >= settings.patience:
            break
    training.average.settle()


class Training:
    """One run, epoch by epoch.

    Args:
        towers: to train, in place.
        heads: to start from, trained in place.
        material: what to train on.
        settings: how to train.

    Attributes:
        average: the running average of what is trained.
        done: epochs so far.
        best: the highest quality so far.
        best_epoch: that reached it.
    """

    def __init__(
        self,
        towers: Towers,
        heads: TowerHeads,
        material: Material,
        settings: FineTuning,
    ) -> None:
        self._towers, self._heads, self._material = towers, heads, material
        self._settings, self._device = settings, towers.text.segment.device
        freeze(towers.text, settings.layers)
        towers.text.set_dropout(settings.text_dropout)
        self._meaning = _meaning_of_photos(material)
        self._sampler = Sampler(material, settings)
        torch.manual_seed(settings.seed)
        self._optimiser = _optimiser(towers, heads, settings)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimiser, self._share)
        self.average = Average([*towers, heads], settings.average)
        self.done = 0
        self.best = -math.inf
        self.best_epoch = 0

    def _share(self, step: int) -> float:
        """Of the learning rates: half an epoch up, then down to 0 on a cosine."""
        steps = self._sampler.steps
        whole = self._settings.epochs * steps
        warm = min(1.0, (step + 1) / (steps / 2 + 1))
        return warm * (1 + math.cos(math.pi * min(1.0, step / whole))) / 2

    def epochs(self, progress: Callable[[int, int], None]) -> Iterator[TuningEpoch]:
        """Trains what is left, one epoch after the other.

        Args:
            progress: told how many steps of all epochs are done, and of how many.
        """
        steps = self._sampler.steps
        while self.done < self._settings.epochs:
            for module in self._towers:
                module.train()
            losses = []
            for number, step in enumerate(self._sampler.epoch(), 1):
                losses.append(self._learn(step))
                progress(self.done * steps + number, self._settings.epochs * steps)
            self.done += 1
            for module in self._towers:
                module.eval()
            loss, kept = np.mean(losses, axis=0).tolist()
            yield TuningEpoch(self.done, loss, kept)

    def _learn(self, step: Step) -> tuple[float, float]:
        """Makes one step; returns both losses."""
        settings, material = self._settings, self._material
        seen, logits = photo_features(self._towers.image, material.views[step.view][step.photos])
        read = text_features(self._towers.text, step.tokens)
        loss = contrastive_loss(
            self._heads.of_images(seen, settings.dropout),
            self._heads.of_texts(read[: len(step.texts)], settings.dropout),
            self._put(step.photo_of_text),
            torch.tensor(settings.temperature, device=self._device),
            self._likeness(step.photos) if settings.likeness else None,
        )
        classes = self._put(material.logits[step.view][step.photos].astype(np.float32))
        kept = settings.keep_classes * forgotten_classes(logits, classes)
        sentences = np.concatenate(
            [material.sentences[step.texts], material.other_sentences[step.others]]
        )
        said = self._heads.sentences(read)
        kept = kept + settings.keep_sentences * forgotten_sentences(said, self._put(sentences))

        self._optimiser.zero_grad()
        (loss + kept).backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self._schedule.step()
        self.average.update()
        return float(loss.detach()), float(kept.detach())

    def _likeness(self, photos: NDArray[np.int64]) -> Tensor:
        meaning = self._meaning[torch.from_numpy(photos)].to(self._device)
        return likeness_of(meaning, self._settings.likeness)

    def _put(self, rows: NDArray[Any]) -> Tensor:
        """An array as a tensor, on the device where the towers are."""
        return torch.from_numpy(rows).to(self._device)

    def state(self) -> dict[str, Any]:
        """All that `resume` needs; tensors and plain values only."""
        return {
            "done": self.done,
            "best": (self.best, self.best_epoch),
            "modules": [module.state_dict() for module in (*self._towers, self._heads)],
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "average": self.average.state(),
            "order": self._sampler.state(),
            "noise": torch.get_rng_state(),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Goes on from what `state` gave; the settings and the material must be the same."""
        self.done = state["done"]
        self.best, self.best_epoch = state["best"]
        modules = (*self._towers, self._heads)
        for module, weights in zip(modules, state["modules"], strict=True):
            module.load_state_dict(weights)
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        self.average.load(state["average"])
        self._sampler.resume(state["order"])
        torch.set_rng_state(state["noise"])


def _optimiser(towers: Towers, heads: TowerHeads, settings: FineTuning) -> torch.optim.AdamW:
    """AdamW over what is not frozen, with a learning rate for each tower and for the heads."""
    text = [one for one in towers.text.parameters() if one.requires_grad]
    return torch.optim.AdamW(
        [
            {"params": list(towers.image.parameters()), "lr": settings.image_rate},
            {"params": text, "lr": settings.text_rate},
            {"params": list(heads.parameters()), "lr": settings.head_rate},
        ],
        weight_decay=settings.weight_decay,
    )


def _meaning_of_photos(material: Material) -> Tensor:
    """The mean of what each photo's captions say, unit rows, shape (photos, sentence)."""
    said = torch.from_numpy(material.captions_said)
    owners = torch.from_numpy(material.photo_of_caption)
    meaning = torch.zeros(len(material.views[0]), said.shape[1])
    return unit(meaning.index_add_(0, owners, unit(said)))


def freeze(text: MiniLM, layers: int) -> None:
    """Leaves only the last layers of the text tower to be trained."""
    text.requires_grad_(False)
    for layer in text.layers[len(text.layers) - layers :]:
        layer.requires_grad_(True)
