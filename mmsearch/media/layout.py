"""Groups recognised lines of text into blocks, as a reader sees them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Corners: TypeAlias = NDArray[np.float64]
"""Pixels, shape (4, 2): upper left, upper right, lower right, lower left, as one reads."""

_SAME_DIRECTION = math.radians(12)
_SAME_HEIGHT = 1.8  # ratio
_LINE_GAP = 0.9  # between the lines of a block, in letter heights
_WORD_GAP = 1.2  # between the parts of a line
_OVERLAP = 0.4  # of the shorter line, for lines above each other
_TALL = 1.5  # height to width from where on a box holds text that runs down or up


@dataclass(frozen=True)
class Line:
    """A recognised line of text, and where it lies."""

    text: str
    corners: Corners

    @cached_property
    def centre(self) -> NDArray[np.float64]:
        """Pixels, shape (2,)."""
        middle: NDArray[np.float64] = self.corners.mean(axis=0)
        return middle

    @cached_property
    def _sides(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Along the text and across it."""
        a, b, c, d = self.corners
        along, across = ((b - a) + (c - d)) / 2, ((d - a) + (c - b)) / 2
        is_tall = math.hypot(*across) >= _TALL * math.hypot(*along)
        return (across, -along) if is_tall else (along, across)

    @property
    def length(self) -> float:
        """Pixels along the text."""
        return math.hypot(*self._sides[0])

    @property
    def height(self) -> float:
        """Pixels across the text."""
        return max(math.hypot(*self._sides[1]), 1.0)

    @cached_property
    def direction(self) -> float:
        """Radians, clockwise from a line that runs to the right."""
        x, y = self._sides[0]
        return math.atan2(y, x)


def group_lines(lines: Sequence[Line]) -> list[list[Line]]:
    """Groups lines into blocks.

    Two lines belong together where they run in the same direction, have letters of similar
    height, and lie beside or below each other without much space. A block is what hangs together
    so.

    Returns:
        Blocks from top to bottom, each in reading order.
    """
    groups = [[line] for line in lines]
    group_of = list(range(len(lines)))
    for i, line in enumerate(lines):
        for j in range(i):
            if group_of[i] != group_of[j] and _belong_together(line, lines[j]):
                kept, gone = sorted((group_of[i], group_of[j]))
                groups[kept] += groups[gone]
                groups[gone] = []
                group_of = [kept if group == gone else group for group in group_of]
    blocks = {}
    for group in filter(None, groups):
        block = _in_reading_order(group, _direction(group))
        blocks[id(block[0])] = block
    firsts = [block[0] for block in blocks.values()]
    return [blocks[id(first)] for first in _in_reading_order(firsts, 0.0)]


def _belong_together(a: Line, b: Line) -> bool:
    if abs(math.remainder(a.direction - b.direction, math.tau)) > _SAME_DIRECTION:
        return False
    height = min(a.height, b.height)
    if max(a.height, b.height) > _SAME_HEIGHT * height:
        return False
    along, across = _turned(b.centre - a.centre, a.direction)
    apart = abs(along) - (a.length + b.length) / 2  # negative where they overlap
    below = abs(across) - (a.height + b.height) / 2
    if below < -height / 2:  # on one line
        return apart < _WORD_GAP * height
    return below < _LINE_GAP * height and -apart > _OVERLAP * min(a.length, b.length)


def _direction(block: list[Line]) -> float:
    return math.atan2(
        sum(math.sin(line.direction) for line in block),
        sum(math.cos(line.direction) for line in block),
    )


def _in_reading_order(lines: list[Line], direction: float) -> list[Line]:
    """Rows from top to bottom, and from left to right within a row."""
    placed = [(line, *_turned(line.centre, direction)) for line in lines]
    placed.sort(key=lambda place: place[2])
    rows: list[list[tuple[Line, float, float]]] = []
    for place in placed:
        if rows and place[2] - rows[-1][-1][2] < min(place[0].height, rows[-1][-1][0].height) / 2:
            rows[-1].append(place)
        else:
            rows.append([place])
    return [line for row in rows for line, _, _ in sorted(row, key=lambda place: place[1])]


def _turned(vector: NDArray[np.float64], direction: float) -> tuple[float, float]:
    """A vector's parts along a direction and across it."""
    x, y = (float(part) for part in vector)
    cos, sin = math.cos(direction), math.sin(direction)
    return x * cos + y * sin, y * cos - x * sin
