"""Pictures as sixels: DEC's terminals, and xterm, foot, mlterm, Windows Terminal and others.

A character stands for six pixels of one colour, one above the other: chapter 14 of the VT330/VT340
Programmer Reference Manual, volume 2 (EK-VT3XX-GP, 1987).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.cli.pictures.area import Area, scaled

if TYPE_CHECKING:
    from PIL.Image import Image

COLOURS = 255
"""Registers used: terminals have 256, and xterm keeps one for itself."""

_NONE = 63  # the character of no pixels; the six bits above it say which
_RUN = re.compile(rb"(.)\1{3,}")  # a shorter run is no longer than its count


def draw(picture: Image, area: Area) -> str:
    """The control sequence; colours are dithered, pixels are square."""
    from PIL.Image import Dither

    small = scaled(picture, area.width, area.height)
    palette = small.quantize(COLOURS)
    small = small.quantize(palette=palette, dither=Dither.FLOYDSTEINBERG)
    return encode(np.asarray(small), small.getpalette() or [])


def encode(pixels: np.ndarray[tuple[int, int], np.dtype[np.uint8]], palette: list[int]) -> str:
    """Encodes a picture of numbered colours.

    Args:
        pixels: numbers of colours, shape (height, width).
        palette: red, green and blue of each colour in turn, 0 to 255.
    """
    height, width = pixels.shape
    registers = "".join(
        "#{};2;{};{};{}".format(n, *(round(part / 2.55) for part in palette[3 * n : 3 * n + 3]))
        for n in np.unique(pixels).tolist()
    )
    bands = [_band(pixels[row : row + 6]) for row in range(0, height, 6)]
    return f'\x1bP0;1;0q"1;1;{width};{height}{registers}{"-".join(bands)}\x1b\\'


def _band(pixels: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> str:
    """Six rows of pixels: each colour in turn, from the left edge again."""
    bits = (1 << np.arange(len(pixels), dtype=np.uint8))[:, None]
    lines = []
    for colour in np.unique(pixels).tolist():
        line = ((pixels == colour) * bits).sum(axis=0, dtype=np.uint8) + np.uint8(_NONE)
        packed = _RUN.sub(_counted, line.tobytes().rstrip(bytes([_NONE])))
        lines.append(f"#{colour}{packed.decode('ascii')}")
    return "$".join(lines)


def _counted(run: re.Match[bytes]) -> bytes:
    return b"!%d%b" % (len(run[0]), run[1])
