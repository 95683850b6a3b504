"""Chooses among closed forms by cross-validation over photos, which wastes none of a few hundred.

A held-out part of 45 photos cannot tell a gain of one point from chance. Here each photo is held
out once, what is chosen is best on average, and then learns from all of them (Stone 1974).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmsearch.encoders.adapted import Banks, Heads
from mmsearch.encoders.base import Embeddings, Features
from mmsearch.encoders.embedded.heads import (
    Normalisation,
    normalised_photos,
    normalised_texts,
    unit,
)
from mmsearch.training.adapt.choose import Choice, EncodedPairs, Retrieval, Trial
from mmsearch.training.features import Progress

SHARES = (0.25, 0.5, 0.75)
"""Of the way from the base to what was learnt; all of it brings no more and forgets more."""

STRENGTHS = (0.0, 0.2)
"""Of the normalisation of photos; 0 is none. Stronger ones cost more on other photos."""

TEXT_STRENGTH = 0.5
"""Of a photo's: how strongly a caption is normalised, at the cost of names of other things."""

_MOST_FOLDS = 10
_PHOTO_NEIGHBOURS = 4
_PHOTO_BANK = 1024
_TEXT_BANK = 2048


@dataclass(frozen=True, slots=True)
class Fold:
    """Photos to learn from and photos that are held out, indices, int64."""

    learnt: NDArray[np.int64]
    held_out: NDArray[np.int64]


def folds_by_photo(hashes: Sequence[str], held_out: float, seed: int) -> list[Fold]:
    """Splits photos into folds of about equal size; equal contents stay together.

    Args:
        hashes: of the photos' contents, at least two different ones.
        held_out: about the share of the different contents in a fold, above 0 and below 1.
        seed: of chance.
    """
    contents, content_of = np.unique(np.array(hashes), return_inverse=True)
    count = min(max(2, round(1 / held_out)), _MOST_FOLDS, len(contents))
    fold_of_content = np.random.default_rng(seed).permutation(len(contents)) % count
    fold_of = fold_of_content[content_of]
    return [
        Fold(np.flatnonzero(fold_of != number), np.flatnonzero(fold_of == number))
        for number in range(count)
    ]


def cross_validate(
    learn: Callable[[EncodedPairs], Mapping[str, Heads]],
    pairs: EncodedPairs,
    folds: Sequence[Fold],
    progress: Progress,
) -> Choice:
    """Chooses candidate, share and normalisation by their mean over folds; then learns from all.

    Of equals, what is closest to the base.

    Args:
        learn: gives heads by what sets them apart, the same names each time.
        pairs: all captioned photos.
        folds: of them.
        progress: told of each fold.

    Returns:
        The choice, whose figures are means over the folds.
    """
    found: dict[tuple[float, float, str], list[Retrieval]] = {}
    before = []
    for number, fold in enumerate(folds):
        learnt, held_out = pairs.part(fold.learnt), pairs.part(fold.held_out)
        before.append(held_out.retrieval(Heads(None, None)))
        for name, heads in learn(learnt).items():
            known, new = _Moved.by(heads, learnt), _Moved.by(heads, held_out)
            for share in SHARES:
                photos, texts = new.at(share)
                whole = banks_of(*known.at(share))
                for strength in STRENGTHS:
                    banks = _of_strength(whole, strength)
                    retrieval = Retrieval.of(
                        normalised_photos(photos, banks.images),
                        normalised_texts(texts, banks.texts),
                        held_out.photo_of_text,
                    )
                    found.setdefault((share, strength, name), []).append(retrieval)
        progress("cross-validation", number + 1, len(folds))
    trials = [
        Trial(_described(name, strength), share, Retrieval.mean(some))
        for (share, strength, name), some in found.items()
    ]
    order = sorted(range(len(trials)), key=lambda place: list(found)[place][:2])
    best = max(order, key=lambda place: trials[place].retrieval.score)
    share, strength, name = list(found)[best]
    heads = learn(pairs)[name].scaled(share)
    if strength:
        whole = banks_of(heads.images(pairs.photos), heads.texts(pairs.texts))
        heads = replace(heads, banks=_of_strength(whole, strength))
    return Choice(heads, trials[best], Retrieval.mean(before), trials)


class _Moved(NamedTuple):
    """Embeddings, and what heads add to them, so that each share of the way is quick."""

    photos: Embeddings
    texts: Embeddings
    to_photos: Features | None
    to_texts: Features | None

    @classmethod
    def by(cls, heads: Heads, pairs: EncodedPairs) -> _Moved:
        return cls(
            pairs.photos.embeddings,
            pairs.texts.embeddings,
            None if heads.image is None else heads.image.added(pairs.photos),
            None if heads.text is None else heads.text.added(pairs.texts),
        )

    def at(self, share: float) -> tuple[Embeddings, Embeddings]:
        factor = np.float32(share)
        photos, texts = self.photos, self.texts
        return (
            photos if self.to_photos is None else unit(photos + factor * self.to_photos),
            texts if self.to_texts is None else unit(texts + factor * self.to_texts),
        )


def banks_of(photos: Embeddings, texts: Embeddings) -> Banks:
    """Nearest neighbour normalisation by embeddings of captioned photos, at full strength.

    Args:
        photos: float32, shape (photos, dim); of very many, evenly spaced ones are the bank.
        texts: float32, shape (texts, dim), likewise.
    """
    captions = max(1, round(len(texts) / len(photos)))
    bank = Normalisation(_spaced(texts, _TEXT_BANK), _PHOTO_NEIGHBOURS * captions, 1.0, 0.0)
    other = Normalisation(_spaced(photos, _PHOTO_BANK), _PHOTO_NEIGHBOURS, 1.0, 0.0)
    return Banks(_centred(bank, photos), _centred(other, texts))


def _centred(normalisation: Normalisation, rows: Embeddings) -> Normalisation:
    return replace(normalisation, centre=float(normalisation.bias(rows).mean()))


def _of_strength(whole: Banks, strength: float) -> Banks:
    return Banks(_weaker(whole.images, strength), _weaker(whole.texts, TEXT_STRENGTH * strength))


def _weaker(whole: Normalisation, strength: float) -> Normalisation:
    return replace(whole, strength=strength, centre=strength * whole.centre)


def _spaced(rows: Embeddings, most: int) -> Embeddings:
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(np.int64)]


def _described(name: str, strength: float) -> str:
    return name if strength == 0 else f"{name}, normalisation {strength}"
