"""Lays one thumbnail over another: a crop of a few percent shifts and stretches what is left.

The stretch and shift along each axis, and a gain and offset of the light, are found by
Gauss-Newton steps on the squared difference (Lucas and Kanade 1981; with gain and offset as in
Evangelidis and Psarakis 2008), for many pairs at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Thumbnails = NDArray[np.float32]
"""Grey levels 0 to 255, float32, shape (n, side, side)."""

MAX_STRETCH = 0.2
"""Crops that leave less of a side than 1 - this are other photos."""

MAX_SHIFT = 0.12
"""In half sides."""

_LARGEST_STEP = 0.06
_STIFFNESS = 0.5  # of stretch and shift, in grey levels squared a cell: flat photos stay put
_IDENTITY = np.array([1, 0, 1, 0], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Placements:
    """Where thumbnails lie on others: at ``x * stretch + shift``, with x from -1 to 1.

    Attributes:
        values: float32, shape (n, 4): stretch and shift from left to right, then from top to
            bottom.
    """

    values: NDArray[np.float32]

    @classmethod
    def unmoved(cls, count: int) -> Placements:
        """Each corner on its corner."""
        return cls(np.tile(_IDENTITY, (count, 1)))

    def __getitem__(self, rows: NDArray[np.int64]) -> Placements:
        return Placements(self.values[rows])

    def apply(self, thumbnails: Thumbnails) -> tuple[Thumbnails, NDArray[np.float32]]:
        """What of the thumbnails is seen in each cell of the others.

        Returns:
            the moved thumbnails, and 1 for the cells that they cover, else 0; both float32,
            shape (n, side, side).
        """
        side = thumbnails.shape[1]
        columns, inside_x = _sampling(self.values[:, 0], self.values[:, 1], side)
        rows, inside_y = _sampling(self.values[:, 2], self.values[:, 3], side)
        moved = np.asarray(rows @ thumbnails @ columns.transpose(0, 2, 1), dtype=np.float32)
        covered: NDArray[np.float32] = inside_y[:, :, np.newaxis] * inside_x[:, np.newaxis, :]
        return moved, covered


def improve(
    placements: Placements, thumbnails: Thumbnails, others: Thumbnails, *, steps: int
) -> Placements:
    """Moves thumbnails so that they match the others better.

    Args:
        placements: where they lie now.
        thumbnails: shape (n, side, side).
        others: what they are laid over, of the same shape.
        steps: how many steps to take.
    """
    side = thumbnails.shape[1]
    down, across = (slope * ((side - 1) / 2) for slope in np.gradient(thumbnails, axis=(1, 2)))
    for _ in range(steps):
        moved, covered = placements.apply(thumbnails)
        across_moved, _ = placements.apply(across)
        down_moved, _ = placements.apply(down)
        steps_taken = _solve(moved, across_moved, down_moved, covered, others)
        values = placements.values + np.clip(steps_taken, -_LARGEST_STEP, _LARGEST_STEP)
        room = np.array([MAX_STRETCH, MAX_SHIFT, MAX_STRETCH, MAX_SHIFT], dtype=np.float32)
        placements = Placements(np.clip(values, _IDENTITY - room, _IDENTITY + room))
    return placements


def _solve(
    moved: Thumbnails,
    across: Thumbnails,
    down: Thumbnails,
    covered: NDArray[np.float32],
    others: Thumbnails,
) -> NDArray[np.float32]:
    """The step of each placement that would do away with the difference, were light linear."""
    count, side, _ = moved.shape
    place = np.linspace(-1, 1, side, dtype=np.float32)
    ones = np.ones_like(moved)
    columns = (across * place, across, down * place[:, np.newaxis], down, moved, ones)
    slopes = np.stack([column.reshape(count, -1) for column in columns], axis=1)
    weighted = slopes * covered.reshape(count, 1, -1)
    normal = (weighted @ slopes.transpose(0, 2, 1)).astype(np.float64)
    normal[:, range(6), range(6)] += side * side * np.array([_STIFFNESS] * 4 + [1e-3] * 2)
    wanted = (weighted @ others.reshape(count, -1, 1)).astype(np.float64)
    solution = np.linalg.solve(normal, wanted)[..., 0]
    gain = np.clip(solution[:, 4:5], 1 / 3, 3)
    return np.asarray(solution[:, :4] / gain, dtype=np.float32)


def _sampling(
    stretch: NDArray[np.float32], shift: NDArray[np.float32], side: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Matrices that interpolate along an axis, shape (n, side, side), and which cells they fill."""
    place = np.linspace(-1, 1, side, dtype=np.float32)
    at = (shift[:, np.newaxis] + stretch[:, np.newaxis] * place + 1) * ((side - 1) / 2)
    inside = (at >= -0.01) & (at <= side - 0.99)
    distance = np.abs(
        np.clip(at, 0, side - 1)[:, :, np.newaxis] - np.arange(side, dtype=np.float32)
    )
    return np.maximum(0, 1 - distance, dtype=np.float32), inside.astype(np.float32)
