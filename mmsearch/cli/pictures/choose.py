"""Decides how pictures are drawn: as the user says, as the terminal is called, as it answers."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TextIO, TypeAlias

from mmsearch.cli.pictures import blocks, iterm2, kitty, sixel
from mmsearch.cli.pictures.area import USUAL_CELL, Area, Cell
from mmsearch.cli.pictures.ask import Answers, ask
from mmsearch.cli.pictures.tmux import passed_through

if TYPE_CHECKING:
    from PIL.Image import Image

Draw: TypeAlias = "Callable[[Image, Area], str]"

_LIKE_ITERM2 = ("iTerm", "WezTerm", "mintty")
_NO_SEQUENCES = ("", "dumb")
_NOT_TO_BE_ASKED = ("linux",)  # these show a question that they do not know


@dataclass(frozen=True, slots=True)
class Drawing:
    """How pictures are drawn.

    Attributes:
        way: ``kitty``, ``iterm2``, ``sixel`` or ``blocks``.
        draw: gives the text that draws a picture from the cursor on.
        cell: the size of a character.
    """

    way: str
    draw: Draw
    cell: Cell


def choose(
    stream: TextIO,
    wanted: str,
    *,
    environ: Mapping[str, str] | None = None,
    ask_terminal: Callable[..., Answers] = ask,
) -> Drawing | None:
    """The best way that a terminal has; None where it shows no pictures at all.

    Args:
        stream: where pictures will be written.
        wanted: a way, or ``auto``.
        environ: the environment, ``os.environ`` by default.
        ask_terminal: asks it.
    """
    environ = os.environ if environ is None else environ
    if not stream.isatty() or not _takes_sequences(environ):
        return None
    fd, inside = stream.fileno(), _is_inside_another(environ)
    quiet = sys.platform == "win32" or environ.get("TERM") in _NOT_TO_BE_ASKED
    quiet = quiet or environ.get("TERM_PROGRAM") == "Apple_Terminal"
    answers = Answers() if quiet else ask_terminal(fd, kitty=not inside)
    way = _best(environ, answers, inside=inside) if wanted == "auto" else wanted
    if way == "blocks" and not _can_write(blocks.HALF, stream):
        return None
    truecolor = _has_truecolor(environ, answers)
    return Drawing(
        way,
        _draw(way, in_tmux="TMUX" in environ, truecolor=truecolor),
        answers.cell or _cell_of(fd) or USUAL_CELL,
    )


def _takes_sequences(environ: Mapping[str, str]) -> bool:
    if sys.platform == "win32":
        return "WT_SESSION" in environ or "TERM_PROGRAM" in environ
    return environ.get("TERM", "") not in _NO_SEQUENCES


def _is_inside_another(environ: Mapping[str, str]) -> bool:
    """In tmux or screen, the environment tells of a terminal that is not the one written to."""
    return (
        "TMUX" in environ
        or "STY" in environ
        or environ.get("TERM", "").startswith(("tmux", "screen"))
    )


def _best(environ: Mapping[str, str], answers: Answers, *, inside: bool) -> str:
    if not inside:
        # iTerm2 hands its name through ssh in LC_TERMINAL.
        names = (answers.name, environ.get("TERM_PROGRAM", ""), environ.get("LC_TERMINAL", ""))
        if any(name.startswith(_LIKE_ITERM2) for name in names):
            return "iterm2"
        known = environ.get("TERM") in ("xterm-kitty", "xterm-ghostty")
        if known or "KITTY_WINDOW_ID" in environ or answers.kitty:
            return "kitty"
    return "sixel" if answers.sixel else "blocks"


def _draw(way: str, *, in_tmux: bool, truecolor: bool) -> Draw:
    if way == "kitty":
        return kitty.draw_in_tmux if in_tmux else kitty.draw
    if way == "iterm2":
        return _iterm2_in_tmux if in_tmux else iterm2.draw
    if way == "sixel":
        return sixel.draw
    return partial(blocks.draw, truecolor=truecolor)


def _iterm2_in_tmux(picture: Image, area: Area) -> str:
    return passed_through(iterm2.draw(picture, area))


def _has_truecolor(environ: Mapping[str, str], answers: Answers) -> bool:
    return (
        environ.get("COLORTERM", "").lower() in ("truecolor", "24bit")
        or "WT_SESSION" in environ
        or answers.kitty
    )


def _can_write(text: str, stream: TextIO) -> bool:
    try:
        text.encode(stream.encoding)
    except UnicodeEncodeError:
        return False
    return True


def _cell_of(fd: int) -> Cell | None:
    """The size of a character as the system knows it; None where it does not."""
    try:
        import fcntl
        import struct
        import termios

        answer = fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8))
    except (ImportError, OSError):
        return None
    rows, columns, width, height = struct.unpack("HHHH", answer)
    if not (rows and columns and width >= columns and height >= rows):
        return None
    return Cell(width // columns, height // rows)
