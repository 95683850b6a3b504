"""Pictures of half blocks: two pixels a character, wherever there are colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mmsearch.cli.pictures.area import Area, scaled

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image

HALF = "▀"

_STEPS = (0, 95, 135, 175, 215, 255)  # of xterm's 6 x 6 x 6 colours
_CUBE, _GREYS = 16, 232  # where these begin in its palette

Colour = tuple[int, int, int]


def draw(picture: Image, area: Area, *, truecolor: bool) -> str:
    """Characters whose upper half is of one colour and the lower of another.

    Args:
        picture: of any size.
        area: where it stands.
        truecolor: whether the terminal knows 16 million colours, or xterm's 256.
    """
    name = _exactly if truecolor else _nearly
    height = max(1, round(2 * area.height / area.cell.height))
    pixels: list[list[Colour]] = np.asarray(scaled(picture, area.columns, height)).tolist()
    rows = [
        "".join(_cell(name, *colours) for colours in zip(*pixels[row : row + 2], strict=True))
        for row in range(0, height, 2)
    ]
    return f"\x1b[0m\x1b[{area.columns}D\x1b[B".join(rows) + "\x1b[0m"


def _cell(name: Callable[[Colour], str], upper: Colour, lower: Colour | None = None) -> str:
    below = "49" if lower is None else f"48;{name(lower)}"
    return f"\x1b[38;{name(upper)};{below}m{HALF}"


def _exactly(colour: Colour) -> str:
    return "2;{};{};{}".format(*colour)


def _nearly(colour: Colour) -> str:
    """The nearest of xterm's 256 colours, leaving the first 16, which users choose."""
    steps = [min(range(6), key=lambda step: abs(_STEPS[step] - part)) for part in colour]
    cube = tuple(_STEPS[step] for step in steps)
    grey = max(0, min(23, round((sum(colour) / 3 - 8) / 10)))
    if _distance(colour, (8 + 10 * grey,) * 3) < _distance(colour, cube):
        return f"5;{_GREYS + grey}"
    return f"5;{_CUBE + 36 * steps[0] + 6 * steps[1] + steps[2]}"


def _distance(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))
