"""The part of a terminal that a picture takes, in cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Cell:
    """The size of a character, in pixels."""

    width: int
    height: int


USUAL_CELL = Cell(10, 20)
"""What a VT340 had, and about the shape of every font since."""


@dataclass(frozen=True, slots=True)
class Area:
    """Where a picture stands.

    Attributes:
        columns: cells to the right.
        rows: cells down.
        width: pixels of the picture; it need not fill the last column.
        height: pixels of the picture; it need not fill the last row.
        cell: of the terminal.
    """

    columns: int
    rows: int
    width: int
    height: int
    cell: Cell = USUAL_CELL


def fit(size: tuple[int, int], columns: int, rows: int, cell: Cell) -> Area:
    """The largest area in so many cells that keeps a picture's shape.

    Args:
        size: width and height of the picture in pixels.
        columns: at most so many.
        rows: at most so many.
        cell: of the terminal.
    """
    scale = min(columns * cell.width / size[0], rows * cell.height / size[1])
    width, height = (max(1, round(side * scale)) for side in size)
    width, height = min(width, columns * cell.width), min(height, rows * cell.height)
    return Area(-(-width // cell.width), -(-height // cell.height), width, height, cell)


def scaled(picture: Image, width: int, height: int) -> Image:
    """A picture at another size, mode RGB."""
    from PIL.Image import Resampling

    return picture.convert("RGB").resize((width, height), Resampling.LANCZOS)
