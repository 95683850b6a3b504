"""The methods by name: from encoded pairs to the heads that are tried on the held-out part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.encoders.adapted import AffineMap, HeadInput, Heads, ResidualHead
from mmsearch.encoders.base import Embeddings, Encoded
from mmsearch.training.adapt.choose import EncodedPairs
from mmsearch.training.adapt.closed_form import coral, procrustes, ridge, whitening
from mmsearch.training.adapt.dataset import Progress

if TYPE_CHECKING:
    from mmsearch.training.heads import Epoch
    from mmsearch.training.pairs import Pairs, Rows


class Method(StrEnum):
    """How an encoder is adapted."""

    HEADS = "heads"
    RIDGE = "ridge"
    PROCRUSTES = "procrustes"
    WHITENING = "whitening"


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a method made.

    Attributes:
        candidates: heads by what sets them apart.
        history: of training; empty for a closed form.
        settings: the method's own, by name.
    """

    candidates: Mapping[str, Heads]
    history: Sequence[Epoch] = ()
    settings: Mapping[str, object] | None = None


def learn(
    method: Method,
    train: EncodedPairs,
    mirrored: Encoded | None,
    held_out: EncodedPairs,
    *,
    seed: int,
    progress: Progress,
) -> Learnt:
    """Applies a method.

    Args:
        method: which.
        train: what to learn from.
        mirrored: the same photos, mirrored; only trained heads make use of them.
        held_out: where training is stopped.
        seed: of chance, which only trained heads know.
        progress: told of each epoch.
    """
    if method is Method.HEADS:
        return _train_heads(train, mirrored, held_out, seed, progress)
    images, texts = train.photos.embeddings, train.texts.embeddings
    targets = _mean_captions(train)
    if method is Method.RIDGE:
        made = {
            f"strength {strength}": _on_images(ridge(images, targets - images, strength))
            for strength in (0.1, 1.0, 10.0)
        }
    elif method is Method.PROCRUSTES:
        made = {"rotation": _on_images(procrustes(images, targets))}
    else:
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
    return Learnt(made)


def _train_heads(
    train: EncodedPairs,
    mirrored: Encoded | None,
    held_out: EncodedPairs,
    seed: int,
    progress: Progress,
) -> Learnt:
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


def _mean_captions(pairs: EncodedPairs) -> Embeddings:
    """The mean embedding of each photo's captions, float32, shape (photos, dim)."""
    sums = np.zeros_like(pairs.photos.embeddings)
    np.add.at(sums, pairs.photo_of_text, pairs.texts.embeddings)
    counts = np.bincount(pairs.photo_of_text, minlength=len(sums))
    sums /= counts[:, None]
    return sums


def _on_images(mapping: AffineMap) -> Heads:
    return Heads(_on_embeddings(mapping), None)


def _on_embeddings(mapping: AffineMap) -> ResidualHead:
    return ResidualHead(HeadInput.EMBEDDINGS, mapping)
