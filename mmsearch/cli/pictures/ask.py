"""Asks a terminal what it can do, and reads its answers.

What cannot be asked is not told: another system than POSIX, a process in the background, or keys
that were pressed already and must not be swallowed.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mmsearch.cli.pictures.area import Cell

PATIENCE = 1.0
"""Seconds to wait for the last answer; every terminal gives it, most within a few milliseconds."""

_KITTY = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
_NAME = "\x1b[>q"
_CELL = "\x1b[16t"
_ATTRIBUTES = "\x1b[c"  # last: whoever has answered this has answered what came before

_KITTY_ANSWER = re.compile(rb"\x1b_Gi=31[^\x1b]*;OK\x1b\\")
_NAME_ANSWER = re.compile(rb"\x1bP>\|([^\x1b]*)\x1b\\")
_CELL_ANSWER = re.compile(rb"\x1b\[6;(\d{1,4});(\d{1,4})t")
_ATTRIBUTES_ANSWER = re.compile(rb"\x1b\[\?([\d;]*)c")
_SIXEL = b"4"  # among the attributes


@dataclass(frozen=True, slots=True)
class Answers:
    """What a terminal said.

    Attributes:
        name: its name and version, for instance ``iTerm2 3.5.0``; empty where it told none.
        kitty: whether it draws pictures as kitty does.
        sixel: whether it draws sixels.
        cell: the size of a character; None where it told none.
    """

    name: str = ""
    kitty: bool = False
    sixel: bool = False
    cell: Cell | None = None


def ask(fd: int, *, kitty: bool = True, patience: float = PATIENCE) -> Answers:
    """Asks the terminal that a file descriptor writes to.

    Args:
        fd: of a terminal.
        kitty: whether to ask for kitty's pictures too: terminals in a terminal show the question.
        patience: seconds to wait.
    """
    try:
        with _listening(fd) as device:
            if device is None:
                return Answers()
            asked = (_KITTY if kitty else "") + _NAME + _CELL + _ATTRIBUTES
            os.write(device, asked.encode("ascii"))
            return understand(_read(device, patience))
    except OSError:  # a terminal that only takes, or is gone
        return Answers()


def understand(answers: bytes) -> Answers:
    """Reads what a terminal answered; what is none of the answers is passed over."""
    name = _NAME_ANSWER.search(answers)
    attributes = _ATTRIBUTES_ANSWER.search(answers)
    cell = _CELL_ANSWER.search(answers)
    height, width = (int(cell[1]), int(cell[2])) if cell else (0, 0)
    return Answers(
        name=name[1].decode("utf-8", "replace") if name else "",
        kitty=_KITTY_ANSWER.search(answers) is not None,
        sixel=attributes is not None and _SIXEL in attributes[1].split(b";")[1:],
        cell=Cell(width, height) if width and height else None,
    )


@contextmanager
def _listening(fd: int) -> Iterator[int | None]:
    """The terminal, opened to be read key by key without showing them; None where it may not be."""
    try:
        import termios
        import tty
    except ImportError:  # Windows
        yield None
        return
    import select

    device = os.open(os.ttyname(fd), os.O_RDWR | os.O_NOCTTY)
    try:
        if os.tcgetpgrp(device) != os.getpgrp():  # in the background it would be stopped
            yield None
            return
        before = termios.tcgetattr(device)
        tty.setcbreak(device, termios.TCSADRAIN)
        try:
            pressed, _, _ = select.select([device], [], [], 0)
            yield None if pressed else device
        finally:
            termios.tcsetattr(device, termios.TCSADRAIN, before)
    except termios.error as error:
        raise OSError(*error.args) from error
    finally:
        os.close(device)


def _read(device: int, patience: float) -> bytes:
    """What the terminal says, up to its last answer."""
    import select

    answers = b""
    until = time.monotonic() + patience
    while not _ATTRIBUTES_ANSWER.search(answers):
        left = until - time.monotonic()
        if left <= 0 or not select.select([device], [], [], left)[0]:
            break
        if not (more := os.read(device, 4096)):
            break
        answers += more
    return answers
