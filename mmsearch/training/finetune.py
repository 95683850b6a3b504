"""Trains the last stages of both towers together with their heads.

The contrastive loss pulls photos and their captions together. Two more losses keep what a few
thousand captioned photos cannot teach, by distillation (Hinton et al. 2015): the image tower goes
on naming ImageNet's classes as it did, and a text's features go on saying its MiniLM sentence
embedding, for captions as well as for names and definitions of things that no caption names. What
is kept at the end is a running average of the weights (Polyak and Juditsky 1992).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from mmsearch.encoders.adapted import AffineMap
from mmsearch.training.averaging import Average
from mmsearch.training.checkpoint import Checkpoint
from mmsearch.training.features import Progress
from mmsearch.training.losses import contrastive_loss, unit
from mmsearch.training.material import Material, photo_features, text_features
from mmsearch.training.minilm import MiniLM
from mmsearch.training.pairs import texts_by_photo
from mmsearch.training.stages import LastStages
from mmsearch.training.standardise import Standardisation
from mmsearch.training.views import Halves

_NEARNESS = 0.1  # of captions: what their cosines are divided by


@dataclass(frozen=True, slots=True)
class FineTuning:
    """How the towers are fine-tuned.

    Attributes:
        stages: of the image tower that are trained.
        layers: of the text tower that are trained.
        epochs: how often each photo is seen.
        views: in how many ways a photo is seen; see `views.photo_views`.
        batch: photos per step; each is a negative for the others' captions.
        captions: of each photo in a step, at most.
        short: share of the photos for which a short text takes the place of one of them.
        image_rate: learning rate of the image tower; all rates fall to 0 on a cosine.
        text_rate: learning rate of the text tower.
        head_rate: learning rate of the heads.
        weight_decay: of AdamW.
        dropout: share of the features that are dropped before the heads.
        word_dropout: share of a caption's tokens that are left out each time it is read.
        text_dropout: share of what a layer of the text tower adds that is dropped.
        drop_path: share of the image tower's residual blocks that are left out.
        temperature: what similarities are divided by.
        likeness: share of a photo's say that goes to other photos in the step, the more the
            closer their captions are in meaning.
        keep_classes: weight of the distillation of ImageNet's classes.
        keep_sentences: weight of the distillation of sentence embeddings.
        other_texts: per step, besides captions, for the distillation of sentence embeddings.
        average: how much of the running average stays at each step.
        patience: epochs without anything better on held-out photos, where there are any, after
            which training stops.
        seed: of order, dropout and choice.
    """

    stages: int = 2
    layers: int = 3
    epochs: int = 30
    views: int = 4
    batch: int = 512
    captions: int = 2
    short: float = 0.0
    image_rate: float = 3e-4
    text_rate: float = 2e-4
    head_rate: float = 1e-3
    weight_decay: float = 2e-2
    dropout: float = 0.5
    word_dropout: float = 0.0
    text_dropout: float = 0.1
    drop_path: float = 0.1
    temperature: float = 1 / 30
    likeness: float = 0.0
    keep_classes: float = 0.5
    keep_sentences: float = 2.0
    other_texts: int = 128
    average: float = 0.98
    patience: int = 6
    seed: int = 0


class Towers(NamedTuple):
    """What is trained, and what it is trained from.

    Attributes:
        image: the last stages of the image tower.
        text: the whole text tower.
    """

    image: LastStages
    text: MiniLM


class TowerHeads(nn.Module):
    """The linear heads of both towers, and the map from a text's features to its sentence.

    Features are standardised first, so that one learning rate suits them all.

    Args:
        image: the image head to start from.
        text: the text head to start from.
        sentence: the map to start from.
        image_scale: of the image features.
        text_scale: of the text features.
    """

    def __init__(
        self,
        image: AffineMap,
        text: AffineMap,
        sentence: AffineMap,
        image_scale: Standardisation,
        text_scale: Standardisation,
    ) -> None:
        super().__init__()
        self.image = image_scale.unfold_from(image)
        self.text = text_scale.unfold_from(text)
        self.sentence = text_scale.unfold_from(sentence)
        self._scales = (image_scale, text_scale)
        self._image_scale = _Standardise(image_scale)
        self._text_scale = _Standardise(text_scale)

    def of_images(self, features: Tensor, dropout: float = 0.0) -> Tensor:
        """Aligned unit rows, shape (n, dim), from features, shape (n, image features)."""
        return unit(self.image(functional.dropout(self._image_scale(features), dropout)))

    def of_texts(self, features: Tensor, dropout: float = 0.0) -> Tensor:
        """Aligned unit rows, shape (n, dim), from features, shape (n, text features)."""
        return unit(self.text(functional.dropout(self._text_scale(features), dropout)))

    def sentences(self, features: Tensor) -> Tensor:
        """Sentence embeddings, shape (n, sentence), from features, shape (n, text features)."""
        said: Tensor = self.sentence(self._text_scale(features))
        return said

    def linear(self) -> tuple[AffineMap, AffineMap, AffineMap]:
        """Image head, text head and sentence map, for features as they come from the towers."""
        image_scale, text_scale = self._scales
        return (
            image_scale.fold_into(self.image),
            text_scale.fold_into(self.text),
            text_scale.fold_into(self.sentence),
        )


class _Standardise(nn.Module):
    mean: Tensor
    deviation: Tensor

    def __init__(self, scale: Standardisation) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(scale.mean))
        self.register_buffer("deviation", torch.from_numpy(scale.deviation))

    def forward(self, features: Tensor) -> Tensor:
        return (features - self.mean) / self.deviation


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
        photos = len(material.views[0])
        self._captions_of = texts_by_photo(material.photo_of_caption, photos)
        self._shorts_of = [
            shorts + len(material.photo_of_caption)
            for shorts in texts_by_photo(material.photo_of_short, photos)
        ]
        self._views = material.views[: settings.views]
        self._meaning = _meaning_of_photos(material)
        self._generator = np.random.default_rng(settings.seed)
        torch.manual_seed(settings.seed)
        self._steps = math.ceil(len(self._captions_of) / settings.batch)
        text = [one for one in towers.text.parameters() if one.requires_grad]
        self._optimiser = torch.optim.AdamW(
            [
                {"params": list(towers.image.parameters()), "lr": settings.image_rate},
                {"params": text, "lr": settings.text_rate},
                {"params": list(heads.parameters()), "lr": settings.head_rate},
            ],
            weight_decay=settings.weight_decay,
        )
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimiser, self._share)
        self.average = Average([*towers, heads], settings.average)
        self.done = 0
        self.best = -math.inf
        self.best_epoch = 0

    def _share(self, step: int) -> float:
        """Of the learning rates: half an epoch up, then down to 0 on a cosine."""
        whole = self._settings.epochs * self._steps
        warm = min(1.0, (step + 1) / (self._steps / 2 + 1))
        return warm * (1 + math.cos(math.pi * min(1.0, step / whole))) / 2

    def epochs(self, step: Callable[[int, int], None]) -> Iterator[TuningEpoch]:
        """Trains what is left, one epoch after the other.

        Args:
            step: told how many steps of all epochs are done, and of how many.
        """
        while self.done < self._settings.epochs:
            for module in self._towers:
                module.train()
            losses = []
            order = self._generator.permutation(len(self._captions_of))
            for number, chosen in enumerate(np.array_split(order, self._steps), 1):
                losses.append(self._step(chosen))
                step(self.done * self._steps + number, self._settings.epochs * self._steps)
            self.done += 1
            for module in self._towers:
                module.eval()
            loss, kept = np.mean(losses, axis=0).tolist()
            yield TuningEpoch(self.done, loss, kept)

    def _step(self, photos: NDArray[np.int64]) -> tuple[float, float]:
        settings, material = self._settings, self._material
        view = int(self._generator.integers(len(self._views)))
        captions = [self._texts_for(photo) for photo in photos]
        owners = np.repeat(np.arange(len(photos)), [len(some) for some in captions])
        texts = np.concatenate(captions)
        others = self._generator.integers(
            max(1, len(material.others)), size=settings.other_texts if material.others else 0
        )
        tokens = [self._thinned(material.captions[i]) for i in texts]
        tokens += [material.others[i] for i in others]

        seen, logits = photo_features(self._towers.image, self._views[view][photos])
        read = text_features(self._towers.text, tokens)
        loss = contrastive_loss(
            self._heads.of_images(seen, settings.dropout),
            self._heads.of_texts(read[: len(texts)], settings.dropout),
            torch.from_numpy(owners).to(self._device),
            torch.tensor(settings.temperature, device=self._device),
            self._likeness(photos) if settings.likeness else None,
        )
        sentences = np.concatenate([material.sentences[texts], material.other_sentences[others]])
        kept = settings.keep_classes * self._forgotten_classes(
            logits, material.logits[view][photos]
        )
        kept = kept + settings.keep_sentences * self._forgotten_sentences(read, sentences)

        self._optimiser.zero_grad()
        (loss + kept).backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self._schedule.step()
        self.average.update()
        return float(loss.detach()), float(kept.detach())

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

    def _likeness(self, photos: NDArray[np.int64]) -> Tensor:
        """What share of a photo's say goes to each photo, shape (photos, photos)."""
        meaning = self._meaning[torch.from_numpy(photos)].to(self._device)
        itself = torch.eye(len(photos), device=self._device)
        near = (meaning @ meaning.T / _NEARNESS).masked_fill(itself > 0, -torch.inf)
        share = self._settings.likeness
        return (1 - share) * itself + share * near.softmax(dim=1)

    def _forgotten_classes(self, logits: Tensor, teacher: Halves) -> Tensor:
        target = torch.from_numpy(teacher.astype(np.float32)).to(self._device)
        return functional.kl_div(
            logits.log_softmax(dim=1),
            target.log_softmax(dim=1),
            log_target=True,
            reduction="batchmean",
        )

    def _forgotten_sentences(self, features: Tensor, teacher: NDArray[np.float32]) -> Tensor:
        target = torch.from_numpy(teacher).to(self._device)
        said = self._heads.sentences(features)
        return (1 - functional.cosine_similarity(said, target)).mean()

    def state(self) -> dict[str, Any]:
        """All that `resume` needs; tensors and plain values only."""
        return {
            "done": self.done,
            "best": (self.best, self.best_epoch),
            "modules": [module.state_dict() for module in (*self._towers, self._heads)],
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "average": self.average.state(),
            "order": self._generator.bit_generator.state,
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
        self._generator.bit_generator.state = state["order"]
        torch.set_rng_state(state["noise"])


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
