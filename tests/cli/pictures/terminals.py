"""Terminals for tests: a screen that shows what was written, and decoders of pictures."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

_TOKEN = re.compile(
    r"\x1b\[(?P<number>\d*)(?P<move>[ABCD])"
    r"|\x1b\[(?P<style>[\d;]*)m"
    r"|\x1b(?P<keep>[78])"
    r"|(?P<character>[^\x1b])",
    re.DOTALL,
)


class Screen:
    """A screen with a cursor that scrolls at its end; each cell is a character with its style."""

    def __init__(self, columns: int, rows: int, *, row: int = 0) -> None:
        self.columns, self.rows = columns, rows
        self.row, self.column = row, 0
        self.kept, self.style = (0, 0), ""
        self.above: list[list[tuple[str, str]]] = []
        self.lines = [self._blank() for _ in range(rows)]

    def _blank(self) -> list[tuple[str, str]]:
        return [(" ", "")] * self.columns

    def write(self, text: str) -> None:
        """Does what a terminal does, and fails on what no module here should write."""
        end = 0
        for token in _TOKEN.finditer(text):
            assert token.start() == end, f"unknown sequence {text[end : end + 20]!r}"
            end = token.end()
            if token["move"]:
                self._move(token["move"], int(token["number"] or 1))
            elif token["style"] is not None:
                self.style = token["style"]
            elif token["keep"] == "7":
                self.kept = (self.row, self.column)
            elif token["keep"] == "8":
                self.row, self.column = self.kept
            elif token["character"] == "\n":
                self._next_line()
            else:
                assert self.column < self.columns, "a line is longer than the screen is wide"
                self.lines[self.row][self.column] = (token["character"], self.style)
                self.column += 1
        assert end == len(text)

    def _move(self, where: str, count: int) -> None:
        if where in "AB":
            self.row = max(0, min(self.rows - 1, self.row + (count if where == "B" else -count)))
        else:
            most = self.columns - 1
            self.column = max(0, min(most, self.column + (count if where == "C" else -count)))

    def _next_line(self) -> None:
        self.column = 0
        if self.row == self.rows - 1:
            self.above.append(self.lines.pop(0))
            self.lines.append(self._blank())
        else:
            self.row += 1

    @property
    def text(self) -> list[str]:
        """All that was ever shown, line by line, without blanks at the ends."""
        lines = [*self.above, *self.lines]
        return ["".join(character for character, _ in line).rstrip() for line in lines]


def decode_blocks(text: str, columns: int, rows: int) -> Pixels:
    """The pixels of half blocks in true colours: shape (2 * rows, columns, 3)."""
    screen = Screen(columns + 1, rows)
    screen.write(text)
    pixels = np.zeros((2 * rows, columns, 3), dtype=np.uint8)
    for row, line in enumerate(screen.lines):
        for column, (character, style) in enumerate(line[:columns]):
            if character == "▀":
                colours = re.findall(r"[34]8;2;(\d+);(\d+);(\d+)", style)
                for half, colour in enumerate(colours):
                    pixels[2 * row + half, column] = [int(part) for part in colour]
    return pixels


def decode_sixel(text: str) -> Pixels:
    """What a sixel terminal shows: shape (height, width, 3), colours in percent; unset is 255."""
    parts = re.fullmatch(r'\x1bP0;1;0q"1;1;(\d+);(\d+)([^\x1b]*)\x1b\\', text)
    assert parts is not None
    width, height = int(parts[1]), int(parts[2])
    pixels = np.full((height, width, 3), 255, dtype=np.uint8)
    colours: dict[int, list[int]] = {}
    column, band, colour, count = 0, 0, -1, 1
    end = 0
    tokens = re.compile(r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)|([$\-])|([?-~])")
    for token in tokens.finditer(parts[3]):
        assert token.start() == end
        end = token.end()
        number, red, green, blue, chosen, repeat, control, sixel = token.groups()
        if number is not None:
            colours[int(number)] = [int(red), int(green), int(blue)]
        elif chosen is not None:
            colour = int(chosen)
        elif repeat is not None:
            count = int(repeat)
        elif control is not None:
            column, band = 0, band + (control == "-")
        else:
            for bit in range(6):
                if (ord(sixel) - 63) >> bit & 1:
                    pixels[6 * band + bit, column : column + count] = colours[colour]
            column, count = column + count, 1
    assert end == len(parts[3])
    return pixels


def decode_kitty(text: str) -> tuple[dict[str, str], Image.Image]:
    """The keys of the first sequence, and the picture."""
    sequences = re.findall(r"\x1b_G([^;\x1b]*);([^\x1b]*)\x1b\\", text)
    assert "".join(f"\x1b_G{keys};{data}\x1b\\" for keys, data in sequences) == text
    assert all(len(data) <= 4096 for _, data in sequences)
    keys = dict(pair.split("=") for pair in sequences[0][0].split(","))
    more = [keys["m"], *(later.removeprefix("m=") for later, _ in sequences[1:])]
    assert more == ["1"] * (len(sequences) - 1) + ["0"]
    data = base64.b64decode("".join(data for _, data in sequences), validate=True)
    return keys, Image.open(io.BytesIO(data), formats=["PNG"])


def decode_iterm2(text: str) -> tuple[dict[str, str], Image.Image]:
    """The arguments, and the picture."""
    parts = re.fullmatch(r"\x1b\]1337;File=([^:]*):([A-Za-z0-9+/=]*)\x07", text)
    assert parts is not None
    arguments = dict(pair.split("=") for pair in parts[1].split(";"))
    data = base64.b64decode(parts[2], validate=True)
    assert int(arguments["size"]) == len(data)
    return arguments, Image.open(io.BytesIO(data), formats=["JPEG"])


def out_of_tmux(text: str) -> str:
    """What the terminal around tmux gets of a text."""

    def opened(envelope: re.Match[str]) -> str:
        return envelope[1].replace("\x1b\x1b", "\x1b")

    return re.sub(r"\x1bPtmux;((?:[^\x1b]|\x1b\x1b)*)\x1b\\", opened, text)
