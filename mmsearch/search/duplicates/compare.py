"""Whether two photos are copies of each other: their edges, all over, and their colours.

One thumbnail is laid over the other (`align`). Then the slopes of light, cell by cell, are
correlated: sky above meadow is alike in many photos, the same edges in the same places are not.
A place where they disagree tells two moments of one scene apart, and colours tell a blue shirt
from a green one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmsearch.search.duplicates.align import Placements, Thumbnails, improve
from mmsearch.search.duplicates.prints import Prints

COARSE = 0.7
"""Correlation of `Prints.coarse` below which two photos need not be looked at more closely."""

AGREEMENT = 0.76
"""Correlation of the slopes of light, from which on photos are copies."""

DISAGREEMENT = 0.4
"""Share of a place's slopes that may be unexplained."""

COLOUR = 12.0
"""Mean difference of colour, of 255, that saturating and brightening may bring."""

SAME_SCENE = 0.5
"""Correlation of slopes from which on two shots of one moment show the same."""

_OBVIOUS = 0.9  # correlation from which on photos need not be moved
_HOPELESS = 0.4  # correlation after aligning at half the size; no copy gets so little
_STEPS = 4
_BATCH = 512  # pairs at once: some 60 MB
_NOISE = 0.7  # squared softened slope in a cell that means nothing
_SOFTNESS = 2.0  # grey levels
_PLACE, _STRIDE = 8, 4  # cells of a place, and from one to the next


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike pairs of photos are.

    Attributes:
        agreement: correlation of the slopes of light, -1 to 1, float64, shape (n,).
        disagreement: of the place where they differ most, the share of slopes that the other
            does not explain; 0 and up, float64, shape (n,). 1 where they do not agree anyway.
        colour: mean absolute difference of the colours, of 255, float64, shape (n,).
    """

    agreement: NDArray[np.float64]
    disagreement: NDArray[np.float64]
    colour: NDArray[np.float64]

    @property
    def copies(self) -> NDArray[np.bool_]:
        """Which pairs are copies, bool, shape (n,)."""
        alike = (self.agreement >= AGREEMENT) & (self.disagreement <= DISAGREEMENT)
        return alike & (self.colour <= COLOUR)

    @property
    def same_scene(self) -> NDArray[np.bool_]:
        """Which pairs show the same if they were taken at one moment, bool, shape (n,)."""
        return (self.agreement >= SAME_SCENE) & (self.colour <= COLOUR)


def likeness(ones: Prints, others: Prints) -> Likeness:
    """Compares photos pair by pair.

    Args:
        ones: n fingerprints.
        others: as many.
    """
    colour = np.abs(ones.colours - others.colours).mean(1, dtype=np.float64)
    agreement = np.zeros(len(ones))
    disagreement = np.ones(len(ones))
    for start in range(0, len(ones), _BATCH):
        rows = np.arange(start, min(start + _BATCH, len(ones)))
        agreement[rows], disagreement[rows] = _compare(ones[rows].light, others[rows].light)
    return Likeness(agreement, disagreement, colour)


def _compare(
    ones: Thumbnails, others: Thumbnails
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Agreement and disagreement, with no more work than each pair needs."""
    # Whole copies lie on each other as they are.
    agreement, disagreement = _slopes_compared(Placements.unmoved(len(ones)), ones, others)
    crops = np.flatnonzero((agreement < _OBVIOUS) | (disagreement > DISAGREEMENT))
    if len(crops):
        found = _compare_moved(ones[crops], others[crops])
        agreement[crops], disagreement[crops] = found
    return agreement, disagreement


def _compare_moved(
    ones: Thumbnails, others: Thumbnails
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same of photos that may be cropped; most pairs do not get beyond half the size."""
    halves, other_halves = _half(ones), _half(others)
    placed = improve(Placements.unmoved(len(ones)), halves, other_halves, steps=_STEPS)
    agreement, disagreement = _slopes_compared(placed, halves, other_halves)
    close = np.flatnonzero(agreement >= _HOPELESS)
    if len(close):
        placed = improve(placed[close], ones[close], others[close], steps=_STEPS)
        found = _slopes_compared(placed, ones[close], others[close])
        agreement[close], disagreement[close] = found
    return agreement, disagreement


def _slopes_compared(
    placements: Placements, ones: Thumbnails, others: Thumbnails
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    moved, covered = placements.apply(ones)
    weight = covered[:, :-1, :-1] * covered[:, 1:, 1:]
    down, across = _slopes(moved)
    other_down, other_across = _slopes(others)
    # float64: the sums below are differences of running sums.
    own = (weight * (down**2 + across**2)).astype(np.float64)
    other = (weight * (other_down**2 + other_across**2)).astype(np.float64)
    common = (weight * (down * other_down + across * other_across)).astype(np.float64)

    noise = _NOISE * _PLACE
    total, other_total = own.sum((1, 2)) + noise, other.sum((1, 2)) + noise
    agreement = common.sum((1, 2)) / np.sqrt(total * other_total)

    disagreement = np.ones(len(agreement))
    alike = np.flatnonzero(agreement >= AGREEMENT)
    # Gain: more contrast is no difference.
    gain = np.sqrt(other_total[alike] / total[alike])[:, np.newaxis, np.newaxis]
    disagreement[alike] = _worst_place(own[alike] * gain**2, other[alike], common[alike] * gain)
    return agreement, disagreement


def _worst_place(
    own: NDArray[np.float64], other: NDArray[np.float64], common: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The highest share of slopes that the other photo does not explain, shape (n,)."""
    own, other, common = _places(own), _places(other), _places(common)
    usual = (own + other).mean((1, 2), keepdims=True) / 2
    share = (own + other - 2 * common) / (own + other + usual + 2 * _NOISE * _PLACE**2)
    return np.asarray(share.max((1, 2)))


def _slopes(light: Thumbnails) -> tuple[Thumbnails, Thumbnails]:
    """Differences to the cell below and to the right, shape (n, side - 1, side - 1).

    Steep ones are softened, or the margins of two pages would outweigh what is written on them.
    """
    corner = light[:, :-1, :-1]
    down, across = light[:, 1:, :-1] - corner, light[:, :-1, 1:] - corner
    return down / np.sqrt(np.abs(down) + _SOFTNESS), across / np.sqrt(np.abs(across) + _SOFTNESS)


def _places(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums over the cells of each place."""
    running = np.pad(cells.cumsum(1).cumsum(2), ((0, 0), (1, 0), (1, 0)))
    start = np.arange(0, cells.shape[1] - _PLACE + 1, _STRIDE)
    end = start + _PLACE
    rows = running[:, end] - running[:, start]
    return np.asarray(rows[:, :, end] - rows[:, :, start])


def _half(thumbnails: Thumbnails) -> Thumbnails:
    count, side, _ = thumbnails.shape
    cells = thumbnails.reshape(count, side // 2, 2, side // 2, 2)
    return np.asarray(cells.mean((2, 4)), dtype=np.float32)
