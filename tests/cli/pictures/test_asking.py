"""``mmsearch query --pictures`` on a pseudo-terminal that answers as terminals do."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mmsearch
from mmsearch.testing import make_photo
from tests.cli.pictures.terminals import decode_kitty, decode_sixel
from tests.cli.pictures.test_choose import KITTY, XTERM

termios = pytest.importorskip("termios", reason="terminals are not asked on this system")

QUESTION = (
    b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[>q\x1b[16t\x1b[c"  # pictures, name, cell, kind
)
# Makes the pseudo-terminal the one that the process belongs to, as a shell's is.
START = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)"
RUN = f"{START}; from mmsearch.cli import main; main()"


RED = 254  # as a JPEG of the thumbnail has it


class PseudoTerminal:
    """A terminal that gives the same answer whenever it is asked."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.master, self.slave = os.openpty()

    def close(self) -> None:
        os.close(self.master)
        os.close(self.slave)

    def run(self, *arguments: str | Path, **environ: str) -> tuple[bytes, bytes]:
        """Runs ``mmsearch`` in it; returns what is shown, and what goes to standard error."""
        kept = {name: value for name, value in os.environ.items() if name in PASSED_ON}
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, *map(str, arguments)],
            stdin=self.slave,
            stdout=self.slave,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**kept, "TERM": "xterm-256color", **environ},
        )
        shown, answered, until = b"", 0, time.monotonic() + 60
        with process:
            while (running := process.poll() is None) or self._has_more():
                assert time.monotonic() < until, shown
                if not self._has_more(0.02 if running else 0):
                    continue
                shown += os.read(self.master, 1 << 16)
                if shown.count(QUESTION) > answered:
                    os.write(self.master, self.answer)
                    answered += 1
            errors = process.stderr.read()  # type: ignore[union-attr]
        return shown.replace(b"\r\n", b"\n"), errors

    def _has_more(self, patience: float = 0) -> bool:
        return bool(select.select([self.master], [], [], patience)[0])


PASSED_ON = ("PATH", "HOME", "MMSEARCH_DATA_DIR", "MMSEARCH_CACHE", "XDG_CONFIG_HOME", "LANG")


@pytest.fixture
def terminal(request: pytest.FixtureRequest):
    made = PseudoTerminal(getattr(request, "param", b""))
    yield made
    made.close()


@pytest.fixture
def query(tmp_path: Path, index: mmsearch.Index) -> tuple[str | Path, ...]:
    """The arguments of a query that finds one photo, 300 by 200 pixels, red."""
    make_photo(tmp_path / "photos" / "rose.png", "red", size=(300, 200))
    index.add(tmp_path / "photos")
    return ("query", "red", "--index", index.path, "--pictures", "--all")


def after_the_question(shown: bytes) -> str:
    before, _, after = shown.partition(QUESTION)
    assert before == b""
    return after.decode("utf-8")


@pytest.mark.parametrize("terminal", [KITTY], indirect=True)
def test_a_terminal_like_kitty_gets_kittys_pictures(terminal: PseudoTerminal, query) -> None:
    text = after_the_question(terminal.run(*query)[0])

    picture = re.search(r"\x1b7(.*)\x1b8", text, re.DOTALL)
    assert picture is not None
    keys, image = decode_kitty(picture[1])
    assert (keys["c"], keys["r"]) == ("24", "8")
    assert image.size == (24 * 9, 8 * 20)
    assert image.getpixel((100, 60)) == (RED, 0, 0, 255)
    assert "rose.png" in text


@pytest.mark.parametrize("terminal", [XTERM], indirect=True)
def test_a_terminal_with_sixels_gets_sixels(terminal: PseudoTerminal, query) -> None:
    text = after_the_question(terminal.run(*query)[0])

    picture = re.search(r"\x1b7(.*)\x1b8", text, re.DOTALL)
    assert picture is not None
    pixels = decode_sixel(picture[1])
    assert pixels.shape == (176, 264, 3)  # 24 columns of 11 pixels, 8 rows of 22
    assert pixels[80, 120].tolist() == [100, 0, 0]


@pytest.mark.parametrize("terminal", [b"\x1b[?62;22c"], indirect=True)
def test_any_other_terminal_gets_blocks(terminal: PseudoTerminal, query) -> None:
    text = after_the_question(terminal.run(*query, COLORTERM="truecolor")[0])

    assert text.count(f"\x1b[38;2;{RED};0;0;48;2;{RED};0;0m▀") == 24 * 8


def test_a_terminal_that_says_nothing_gets_blocks(terminal: PseudoTerminal, query) -> None:
    text = after_the_question(terminal.run(*query)[0])

    assert text.count("\x1b[38;5;196;48;5;196m▀") == 24 * 8


@pytest.mark.parametrize("terminal", [XTERM], indirect=True)
def test_the_terminal_is_left_as_it_was(terminal: PseudoTerminal, query) -> None:
    before = termios.tcgetattr(terminal.slave)

    terminal.run(*query)

    assert termios.tcgetattr(terminal.slave) == before
    os.set_blocking(terminal.slave, False)
    with pytest.raises(BlockingIOError):  # no answer is left for the shell to take for keys
        os.read(terminal.slave, 100)


@pytest.mark.parametrize("terminal", [KITTY], indirect=True)
def test_keys_that_were_pressed_before_are_not_swallowed(terminal: PseudoTerminal, query) -> None:
    os.write(terminal.master, b"ls\n")

    shown, _ = terminal.run(*query)

    assert QUESTION not in shown
    assert os.read(terminal.slave, 100) == b"ls\n"


@pytest.mark.parametrize("terminal", [KITTY], indirect=True)
def test_nothing_is_asked_or_drawn_unless_it_is_wanted(terminal: PseudoTerminal, query) -> None:
    plain, _ = terminal.run(*(argument for argument in query if argument != "--pictures"))
    assert b"\x1b" not in plain
    assert b"rose.png" in plain

    dumb, notices = terminal.run(*query, TERM="dumb")
    assert b"\x1b" not in dumb
    assert b"rose.png" in dumb
    assert notices.startswith(b"No pictures: ")


@pytest.mark.parametrize("terminal", [KITTY], indirect=True)
def test_a_setting_says_how(terminal: PseudoTerminal, query) -> None:
    text = after_the_question(terminal.run(*query, MMSEARCH_PICTURES="iterm2")[0])
    assert "\x1b]1337;File=inline=1" in text

    _, errors = terminal.run(*query, MMSEARCH_PICTURES="crayons")
    assert b"MMSEARCH_PICTURES must be auto, kitty, iterm2, sixel or blocks" in errors
