"""How many columns of a terminal a text takes."""

from __future__ import annotations

from collections.abc import Iterator
from unicodedata import category, east_asian_width

_NO_WIDTH = ("Mn", "Me", "Cf")  # marks on other characters, and what only steers them


def width_of(text: str) -> int:
    """Columns of a printable text: wide characters take two, marks on others none."""
    return sum(map(_width, text))


def wrapped(text: str, columns: int) -> Iterator[str]:
    """The text in lines of at most so many columns, broken at blanks where there are any.

    Args:
        text: printable.
        columns: at least 2, for a wide character.
    """
    line, width, blank = "", 0, 0  # blank: where the last one stands in the line, else 0
    for character in text:
        if character == " " and line:
            blank = len(line)
        line, width = line + character, width + _width(character)
        while width > columns:  # twice where the last blank stands behind nothing but marks
            end = blank or len(line) - 1
            yield line[:end].rstrip(" ")
            line = line[end:].lstrip(" ")
            width, blank = width_of(line), 0
    yield line.rstrip(" ")


def _width(character: str) -> int:
    if category(character) in _NO_WIDTH:
        return 0
    return 2 if east_asian_width(character) in "WF" else 1
