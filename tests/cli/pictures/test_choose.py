"""Which way pictures are drawn, and what terminals say of themselves."""

from __future__ import annotations

import io
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.cli.pictures.area import USUAL_CELL, Cell
from mmsearch.cli.pictures.ask import Answers, understand
from mmsearch.cli.pictures.choose import choose

# What they answer, recorded from the terminals: pictures, name, cell, attributes.
XTERM = b"\x1bP>|XTerm(379)\x1b\\\x1b[6;22;11t\x1b[?63;1;2;4;6;9;15;16;22;28c"
KITTY = b"\x1b_Gi=31;OK\x1b\\\x1bP>|kitty(0.26.5)\x1b\\\x1b[6;20;9t\x1b[?62;c"
REFUSED = b"\x1b_Gi=31;ENOTSUPPORTED:no\x1b\\\x1b[?64;1c"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="what POSIX terminals do")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"
    fd = -1

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.fd


class AsciiTerminal(Terminal):
    encoding = "ascii"


@pytest.fixture(autouse=True)
def _device(monkeypatch: pytest.MonkeyPatch):
    """A real one, that knows nothing of pixels."""
    ends = os.openpty()
    monkeypatch.setattr(Terminal, "fd", ends[1])
    yield
    for end in ends:
        os.close(end)


def way(
    environ: dict[str, str], answers: Answers | None = None, wanted: str = "auto"
) -> str | None:
    drawing = choose(
        Terminal(),
        wanted,
        environ={"TERM": "xterm", **environ},
        ask_terminal=answering(answers or Answers()),
    )
    return None if drawing is None else drawing.way


def answering(answers: Answers):
    return lambda fd, *, kitty: answers


@pytest.mark.parametrize(
    ("environ", "answers", "expected"),
    [
        ({}, Answers(), "blocks"),
        ({}, Answers(sixel=True), "sixel"),
        ({}, Answers(kitty=True, sixel=True), "kitty"),
        ({"TERM": "xterm-kitty"}, Answers(), "kitty"),
        ({"TERM": "xterm-ghostty"}, Answers(), "kitty"),
        ({"KITTY_WINDOW_ID": "1"}, Answers(), "kitty"),
        ({"TERM_PROGRAM": "iTerm.app"}, Answers(sixel=True), "iterm2"),
        ({"LC_TERMINAL": "iTerm2"}, Answers(), "iterm2"),
        ({}, Answers(name="WezTerm 20240203", kitty=True), "iterm2"),
        ({}, Answers(name="mintty 3.7.0", sixel=True), "iterm2"),
        # In tmux, the environment is of the terminal that tmux was started in.
        ({"TMUX": "/tmp/t,1,0", "KITTY_WINDOW_ID": "1"}, Answers(name="tmux 3.4"), "blocks"),
        ({"TERM": "screen-256color", "LC_TERMINAL": "iTerm2"}, Answers(sixel=True), "sixel"),
        ({"TERM": "dumb"}, Answers(sixel=True), None),
        ({"TERM": ""}, Answers(), None),
    ],
)
def test_the_best_way_that_a_terminal_has(
    environ: dict[str, str], answers: Answers, expected: str | None
) -> None:
    assert way(environ, answers) == expected


@pytest.mark.parametrize("wanted", ["kitty", "iterm2", "sixel", "blocks"])
def test_what_the_user_says_goes_first(wanted: str) -> None:
    assert way({"TMUX": "1"}, Answers(sixel=True), wanted) == wanted
    assert way({"TERM": "dumb"}, Answers(), wanted) is None


def test_what_is_no_terminal_gets_no_pictures() -> None:
    assert choose(io.StringIO(), "kitty", environ={"TERM": "xterm-kitty"}) is None


def test_a_terminal_without_block_characters_gets_no_pictures() -> None:
    asked = answering(Answers())
    assert choose(AsciiTerminal(), "auto", environ={"TERM": "xterm"}, ask_terminal=asked) is None


def test_kittys_question_is_kept_from_terminals_in_terminals() -> None:
    asked = []

    def ask(fd: int, *, kitty: bool) -> Answers:
        asked.append(kitty)
        return Answers()

    for environ in ({"TERM": "xterm"}, {"TERM": "tmux-256color"}, {"TERM": "xterm", "STY": "1"}):
        choose(Terminal(), "auto", environ=environ, ask_terminal=ask)
    choose(Terminal(), "auto", environ={"TERM": "linux"}, ask_terminal=ask)
    assert asked == [True, False, False]


def test_the_size_of_a_cell_is_what_the_terminal_says() -> None:
    for answers, cell in ((Answers(cell=Cell(11, 22)), Cell(11, 22)), (Answers(), USUAL_CELL)):
        environ = {"TERM": "xterm"}
        drawing = choose(Terminal(), "auto", environ=environ, ask_terminal=answering(answers))
        assert drawing is not None
        assert drawing.cell == cell


@pytest.mark.parametrize(
    ("answers", "understood"),
    [
        (XTERM, Answers("XTerm(379)", sixel=True, cell=Cell(11, 22))),
        (KITTY, Answers("kitty(0.26.5)", kitty=True, cell=Cell(9, 20))),
        (REFUSED, Answers()),
        (b"", Answers()),
        (b"\x1b[6;0;0t\x1b[?1;2c", Answers()),
        (b"\x1b[?4c", Answers()),  # the first one is the terminal's class
    ],
)
def test_what_terminals_answer(answers: bytes, understood: Answers) -> None:
    assert understand(answers) == understood


@given(st.binary(), st.binary(max_size=5))
def test_anything_else_is_passed_over(before: bytes, after: bytes) -> None:
    assert isinstance(understand(before), Answers)
    if b"\x1b" not in before:
        assert understand(before + KITTY + after).kitty


def test_what_is_no_terminal_answers_nothing() -> None:
    from mmsearch.cli.pictures.ask import ask

    with open(os.devnull, "w") as nothing:  # noqa: PTH123
        assert ask(nothing.fileno()) == Answers()
