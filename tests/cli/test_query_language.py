"""The query language on the command line."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import indexed

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def query(
    mmsearch: Run, photos: Path, tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    indexed(photos, tmp_path / "i")

    def ask(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        return mmsearch("query", "--index", "i", "--paths", *arguments, code=code)

    return ask


def test_operators_filters_and_pictures(query: Run, photos: Path) -> None:
    assert len(query("type:image ext:png").stdout.split()) == 4
    assert query("-k", "1", "in:deep").stdout.split() == [str(photos / "deep" / "yellow.png")]
    assert query("-k", "1", "photos/red.png -blue").stdout.split() == [str(photos / "red.png")]
    assert query("like:photos/red.png", "-k", "9").stdout.count("red.png") == 0
    assert query("--", "-ext:jpg").stdout.count("\n") == 4


@pytest.mark.parametrize("text", ["-photos/red.png", "-like:photos/red.png", "-in:photos/red.png"])
def test_a_file_that_is_excluded_is_there(query: Run, text: str) -> None:
    assert "no file" not in query("--", text).stderr


def test_an_error_points_at_the_spot(query: Run) -> None:
    message, line, carets = query("beach on:monday", code=1).stderr.splitlines()
    assert message.startswith("mmsearch: ")
    assert "2023-05-06" in message
    assert line[carets.index("^") :] == "on:monday"
    assert carets.strip() == "^" * len("on:monday")


def test_help_shows_examples(mmsearch: Run) -> None:
    shown = mmsearch("query", "--help").stdout
    for example in ("beach -people", "like:", "near:LATITUDE", "{dog -cat}"):
        assert example in shown
