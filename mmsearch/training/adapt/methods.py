"""The methods by name: from encoded pairs to the heads that are tried on held-out photos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.encoders.adapted import AffineMap, HeadInput, Heads, ResidualHead
from mmsearch.encoders.base import Embeddings, Encoded
from mmsearch.training.adapt.choose import EncodedPairs
from mmsearch.training.adapt.closed_form import coral, procrustes, tower_ridge, whitening
from mmsearch.training.features import Progress

if TYPE_CHECKING:
    from mmsearch.training.heads import Epoch
    from mmsearch.training.pairs import Pairs, Rows


FEW = 1000
"""Photos, below which a closed form that is cross-validated does better than trained heads."""

_PENALTY = 0.03  # of ridge regression


class Method(StrEnum):
    """How an encoder is adapted."""

    AUTO = "auto"
    HEADS = "heads"
    RIDGE = "ridge"
    PROCRUSTES = "procrustes"
    WHITENING = "whitening"

    def chosen(self, photos: int) -> Method:
        """What ``auto`` means for this many photos; any other method itself."""
        if self is not Method.AUTO:
            return self
        return Method.RIDGE if photos < FEW else Method.HEADS


@dataclass(frozen=True, slots=True)
class Learnt:
    """What training made.

    Attributes:
        candidates: heads by what sets them apart.
        history: of training.
        settings: of the heads, by name.
    """

    candidates: Mapping[str, Heads]
    history: Sequence[Epoch]
    settings: Mapping[str, object]


def closed_forms(method: Method, train: EncodedPairs) -> dict[str, Heads]:
    """Heads of a method with a closed form, by what sets them apart.

    Args:
        method: neither ``auto`` nor ``heads``.
        train: what to learn from.
    """
    images, texts = train.photos.embeddings, train.texts.embeddings
    targets = _mean_texts(train)
    if method is Method.RIDGE:
        return {f"penalty {_PENALTY}": _towers(train, targets)}
    if method is Method.PROCRUSTES:
        return {"rotation": _on_images(procrustes(images, targets))}
    shrinkages = (0.3, 0.6, 0.9, 1.0)
    made = {
        f"whitening, shrinkage {shrinkage}": Heads(
            _on_embeddings(whitening(images, shrinkage)),
            _on_embeddings(whitening(texts, shrinkage)),
        )
        for shrinkage in shrinkages
    }
    made |= {
        f"CORAL, shrinkage {shrinkage}": _on_images(coral(images, texts, shrinkage))
        for shrinkage in shrinkages
    }
    return made


def _towers(train: EncodedPairs, targets: Embeddings) -> Heads:
    """Photos are drawn to their captions and captions to their photos.

    Each caption counts for itself: means of several vary less, and a map that is learnt from them
    throws single ones, and names of things, too far.
    """
    photos, texts = train.photos, train.texts
    gap = targets - photos.embeddings
    back = -gap[train.photo_of_text]
    return Heads(
        ResidualHead(_input(photos), tower_ridge(photos.features, gap, _PENALTY)),
        ResidualHead(_input(texts), tower_ridge(texts.features, back, _PENALTY)),
    )


def train_heads(
    train: EncodedPairs,
    mirrored: Encoded,
    held_out: EncodedPairs,
    *,
    seed: int,
    progress: Progress,
) -> Learnt:
    """Trains heads on both towers by contrast.

    Args:
        train: what to learn from.
        mirrored: the same photos, mirrored.
        held_out: where training is stopped.
        seed: of chance.
        progress: told of each epoch.
    """
    from dataclasses import asdict

    from mmsearch.training.heads import fit_heads, residual_settings

    settings = residual_settings(train.photos.features.shape[1], seed=seed)
    trained = fit_heads(
        _pairs(train, mirrored), settings, held_out=_pairs(held_out, None), progress=progress
    )
    heads = Heads(
        ResidualHead(_input(train.photos), trained.image),
        ResidualHead(_input(train.texts), trained.text),
    )
    used = asdict(settings) | {"temperature": trained.temperature}
    del used["dim"]  # the base's
    return Learnt({f"epoch {trained.best}": heads}, trained.history, used)


def _pairs(encoded: EncodedPairs, mirrored: Encoded | None) -> Pairs:
    from mmsearch.training.pairs import Pairs

    views = [encoded.photos] if mirrored is None else [encoded.photos, mirrored]
    return Pairs([_rows(view) for view in views], _rows(encoded.texts), encoded.photo_of_text)


def _rows(encoded: Encoded) -> Rows:
    from mmsearch.training.pairs import Rows

    return Rows(encoded.features, encoded.embeddings)


def _input(encoded: Encoded) -> HeadInput:
    """What heads take: an encoder that shows no features has its embeddings for them."""
    same = encoded.features is encoded.embeddings
    return HeadInput.EMBEDDINGS if same else HeadInput.FEATURES


def _mean_texts(pairs: EncodedPairs) -> Embeddings:
    """The mean embedding of each photo's captions, float32, shape (photos, dim)."""
    photos, rows = len(pairs.photos.embeddings), pairs.texts.embeddings
    sums = np.zeros((photos, rows.shape[1]), dtype=np.float32)
    np.add.at(sums, pairs.photo_of_text, rows)
    sums /= np.bincount(pairs.photo_of_text, minlength=photos)[:, None]
    return sums


def _on_images(mapping: AffineMap) -> Heads:
    return Heads(_on_embeddings(mapping), None)


def _on_embeddings(mapping: AffineMap) -> ResidualHead:
    return ResidualHead(HeadInput.EMBEDDINGS, mapping)
