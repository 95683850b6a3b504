"""Makes similarities of text-text and text-image pairs comparable.

An encoder puts texts closer to texts than to images, whatever they say: under `embedded`, a query
and a caption that have nothing to do with each other have an inner product of 0.46, a query and
the photo that it describes one of 0.2. Raw, no photo would ever be seen beside captions.

So a similarity counts by how far it stands out in its own medium, in standard deviations:

    (similarity - mean of the medium's 6th to 50th best) / deviation of the medium

The deviation is that of the query's similarities to a sample of the medium. The best few are left
out of the level that must be stood out from, since they may be what is looked for. There
are two media, pictures (photos and frames) and texts (captions, transcripts and recognised text):
similarities within one come from the same towers and are compared as they are, so the order within
a medium is always that of the inner products. ``docs/search.md`` has the evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from mmsearch.items import Modality

SAMPLE = 1000
"""Of so many items of a medium, the deviation is known well enough."""

FIRST, LAST = 6, 50
"""The ranks in a medium that make the level to stand out from."""

_FLOOR = 2.0  # deviations above the mean: about where rank 6 to 50 of a thousand lie
_ENOUGH = 50  # items; with fewer, what is known of encoders in general is mixed in


class Medium(Enum):
    """Which tower made an item's embedding."""

    PICTURE = "picture"
    TEXT = "text"

    @classmethod
    def of(cls, modality: Modality) -> Medium:
        """The medium that items of a modality belong to."""
        return next(medium for medium in cls if modality in medium.modalities)

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities of the medium."""
        return _MODALITIES[self]


_MODALITIES = {
    Medium.PICTURE: (Modality.IMAGE, Modality.FRAME),
    Medium.TEXT: (Modality.CAPTION, Modality.TRANSCRIPT, Modality.OCR),
}


@dataclass(frozen=True, slots=True)
class Background:
    """Similarities of pairs that have nothing to do with each other.

    Attributes:
        mean: of their inner products.
        deviation: standard deviation of the same.
    """

    mean: float
    deviation: float


# About what dual encoders have.
_SAME_MEDIUM = Background(0.5, 0.1)
_MIXED = Background(0.1, 0.06)


def unrelated(asked: Medium, found: Medium) -> Background:
    """What to expect of any encoder, where an index knows nothing of its own.

    Args:
        asked: medium of the query.
        found: medium of the items.
    """
    return _SAME_MEDIUM if asked is found else _MIXED


@dataclass(frozen=True, slots=True)
class Scale:
    """How the similarities of one query to one medium are read.

    Attributes:
        mean: of the medium's similarities.
        level: the similarity to stand out from.
        deviation: of the medium's similarities.
    """

    mean: float
    level: float
    deviation: float

    def __call__(self, similarities: NDArray[np.floating]) -> NDArray[np.float64]:
        """How far similarities stand out, float64; in the order of the similarities."""
        return (similarities.astype(np.float64) - self.level) / self.deviation

    def at_least_mean(self, similarities: NDArray[np.floating]) -> NDArray[np.float64]:
        """The same for items that hold a word of the query.

        An encoder that does not know a name puts it anywhere; what holds it is found all the same.
        """
        return self(np.maximum(similarities, self.mean))


def scale_of(
    sample: NDArray[np.floating], best: NDArray[np.floating], expected: Background
) -> Scale:
    """The scale of a medium for one query.

    Args:
        sample: similarities to a sample of the medium's items, shape (n,).
        best: the highest similarities among the items that are searched, best first, at least
            `LAST` of them where there are as many.
        expected: what unrelated pairs have; counts where the sample is small.
    """
    known = min(1.0, len(sample) / _ENOUGH)
    mean, variance = expected.mean, expected.deviation**2
    if len(sample):
        values = sample.astype(np.float64)
        apart = values.mean() - mean
        mean += known * apart
        variance += known * (values.var() - variance) + known * (1 - known) * apart**2
    # Equal vectors have no spread; nothing stands out then.
    deviation = max(float(np.sqrt(variance)), 1e-6)
    floor = mean + _FLOOR * deviation
    ranks = np.full(LAST, floor)
    top = best[:LAST]
    ranks[: len(top)] = np.maximum(top, floor)
    return Scale(float(mean), float(ranks[FIRST - 1 :].mean()), deviation)
