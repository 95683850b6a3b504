"""Runs the command line as a user does: in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import mmsearch as library
from mmsearch.settings import load_settings

Run = Callable[..., subprocess.CompletedProcess[str]]


def indexed(folder: Path, index: Path | None = None) -> None:
    """What ``mmsearch index FOLDER --model testing`` does, in this process: a tenth of the time."""
    with library.create(index or load_settings().index_path(), model="testing") as made:
        made.add(folder)


@pytest.fixture
def mmsearch(tmp_path: Path) -> Run:
    """Runs ``mmsearch`` with arguments in an empty working directory.

    Standard output and error are decoded as the program wrote them; ``code`` is the exit code
    expected.
    """

    def run(*arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "mmsearch", *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=120,
            check=False,
        )
        assert done.returncode == code, f"exit {done.returncode}: {done.stderr}"
        if code:
            assert "Traceback" not in done.stderr
        return done

    return run
