"""What training reached, as callers and the card see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mmsearch.items import Failure
from mmsearch.training.adapt.choose import Retrieval, Trial

if TYPE_CHECKING:
    from mmsearch.training.heads import Epoch


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much there was to learn from; held-out photos are counted in.

    Attributes:
        photos: that could be read.
        captions: of these photos.
        held_out_photos: photos that were measured on.
        held_out_captions: their captions.
        folds: 0 where nothing was trained on the held-out photos; else each photo was held out
            once, in one of so many folds of a cross-validation, and all were learnt from then.
    """

    photos: int
    captions: int
    held_out_photos: int
    held_out_captions: int
    folds: int = 0

    @property
    def learnt_photos(self) -> int:
        """Photos that the new encoder has learnt from."""
        return self.photos if self.folds else self.photos - self.held_out_photos

    @property
    def learnt_captions(self) -> int:
        """Their captions."""
        return self.captions if self.folds else self.captions - self.held_out_captions


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a way of training reached on the held-out part.

    Attributes:
        method: its name.
        seed: of chance.
        before: what the base reached.
        after: what the new encoder reaches.
        settings: the method's own, by name.
        share: how far it goes from the base, 0 to 1; None where that has no meaning.
        candidate: which of the heads that were tried; None where there is no choice.
        history: the epochs of training.
        trials: what else was tried on the held-out part.
    """

    method: str
    seed: int
    before: Retrieval
    after: Retrieval
    settings: Mapping[str, object] = field(default_factory=dict)
    share: float | None = None
    candidate: str | None = None
    history: Sequence[Epoch] = ()
    trials: Sequence[Trial] = ()

    @property
    def is_better(self) -> bool:
        """Whether the new encoder retrieves better than its base."""
        return self.after.score > self.before.score


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What `mmsearch.train` made.

    Attributes:
        name: what ``--model`` takes from now on.
        encoder: the new encoder's id.
        base: the id of the encoder that it was made from.
        path: the folder that holds it, with its card and curves.
        outcome: method, seed, and the figures before and after.
        sizes: of the data.
        skipped: photos that could not be read, with reasons.
        seconds: wall time.
    """

    name: str
    encoder: str
    base: str
    path: Path
    outcome: Outcome
    sizes: Sizes
    skipped: tuple[Failure, ...]
    seconds: float

    def as_dict(self) -> dict[str, object]:
        """The report as ``mmsearch train --json`` prints it."""
        return {
            "name": self.name,
            "encoder": self.encoder,
            "base": self.base,
            "path": str(self.path),
            "method": self.outcome.method,
            "seed": self.outcome.seed,
            "share": self.outcome.share,
            "photos": self.sizes.photos,
            "captions": self.sizes.captions,
            "held_out_photos": self.sizes.held_out_photos,
            "held_out_captions": self.sizes.held_out_captions,
            "folds": self.sizes.folds,
            "before": self.outcome.before.as_dict(),
            "after": self.outcome.after.as_dict(),
            "skipped": [
                {"path": str(failure.path), "reason": failure.reason} for failure in self.skipped
            ],
            "seconds": round(self.seconds, 1),
        }
