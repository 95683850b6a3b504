"""``mmsearch query --open``; programs that write down how they were called stand in for viewers."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from mmsearch.cli.optional import with_number
from mmsearch.cli.viewer import open_hit
from mmsearch.errors import ViewerError
from mmsearch.items import Hit, Modality
from mmsearch.testing import make_photo
from tests.cli.conftest import indexed

pytestmark = pytest.mark.skipif(
    sys.platform in ("win32", "darwin"), reason="how other desktops open files"
)

DISPLAY = {"DISPLAY": ":0"}


class Programs:
    """Programs on the search path that write down how they were called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.called = folder / "called"
        folder.mkdir()

    def add(self, name: str, *, then: str = "") -> None:
        program = self.folder / name
        write = f'printf "%s\\n" "$(basename $0)" "$@" > "{self.called}.part"'
        there = f'mv "{self.called}.part" "{self.called}"'  # whole, whenever it is looked for
        program.write_text(f"#!/bin/sh\n{write}\n{there}\n{then}\n")
        program.chmod(0o755)

    def calls(self) -> list[str]:
        """Waits for a viewer that has been started only just now."""
        return written(self.called).splitlines()


def written(path: Path) -> str:
    """Waits for a file that another process writes."""
    until = time.monotonic() + 60
    while not (path.exists() and path.read_text().endswith("\n")):
        assert time.monotonic() < until, f"nobody writes {path.name}"
        time.sleep(0.01)
    return path.read_text()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    made = Programs(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{made.folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setattr(
        "shutil.which",
        lambda name: str(made.folder / name) if (made.folder / name).exists() else None,
    )
    return made


def hit(path: Path, **more: object) -> Hit:
    return Hit(1, 1.0, 0.5, path, Modality.IMAGE, 1, 1, **more)  # type: ignore[arg-type]


def test_a_photo_is_opened_as_its_user_has_chosen(programs: Programs, tmp_path: Path) -> None:
    programs.add("xdg-open")
    programs.add("mpv")
    photo = make_photo(tmp_path / "a; touch b $(c).png")

    assert open_hit(hit(photo), environ=DISPLAY)

    assert programs.calls() == ["xdg-open", str(photo)]
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("player", "arguments"),
    [
        ("mpv", ["--force-window", "--start=64.5", "--", "{path}"]),
        ("vlc", ["--start-time=64.5", "{path}"]),
    ],
)
def test_a_player_begins_at_the_moment(
    programs: Programs, tmp_path: Path, player: str, arguments: list[str]
) -> None:
    programs.add("xdg-open")
    programs.add(player)
    video = tmp_path / "talk.mp4"
    video.touch()

    assert open_hit(hit(video, start=64.5, end=70.0), environ=DISPLAY)

    assert programs.calls() == [player, *(part.format(path=video) for part in arguments)]


def test_without_such_a_player_it_begins_at_the_beginning(
    programs: Programs, tmp_path: Path
) -> None:
    programs.add("xdg-open")
    (tmp_path / "talk.mp3").touch()

    assert not open_hit(hit(tmp_path / "talk.mp3", start=64.5), environ=DISPLAY)

    assert programs.calls() == ["xdg-open", str(tmp_path / "talk.mp3")]


def test_a_viewer_that_stays_is_not_waited_for(programs: Programs, tmp_path: Path) -> None:
    programs.add("xdg-open", then=f"sleep 30 & echo $! > {tmp_path}/pid; wait")

    open_hit(hit(make_photo(tmp_path / "a.png")), environ=DISPLAY)

    os.kill(int(written(tmp_path / "pid")), signal.SIGTERM)  # it is still there


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({}, "there is no display"),
        ({"SSH_CONNECTION": "1.2.3.4 5 6.7.8.9 22"}, "this is an SSH session without a display"),
        (DISPLAY, "there is no xdg-open here; install it"),
    ],
)
def test_where_nobody_could_see_it_one_line_says_why(
    programs: Programs, tmp_path: Path, environ: dict[str, str], says: str
) -> None:
    with pytest.raises(ViewerError, match=says):
        open_hit(hit(make_photo(tmp_path / "a.png")), environ=environ)


def test_what_cannot_be_opened_says_so(programs: Programs, tmp_path: Path) -> None:
    programs.add("xdg-open", then="exit 3")
    with pytest.raises(ViewerError, match="xdg-open failed; is there a viewer for it"):
        open_hit(hit(make_photo(tmp_path / "a.png")), environ=DISPLAY)
    with pytest.raises(ViewerError, match="is not there any more"):
        open_hit(hit(tmp_path / "gone.png"), environ=DISPLAY)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (["dog", "--open"], ["dog", "--open=1"]),
        (["--open", "dog"], ["--open=1", "dog"]),
        (["dog", "--open", "3"], ["dog", "--open", "3"]),
        (["--open=2", "dog"], ["--open=2", "dog"]),
        (["--open", "--", "--open"], ["--open=1", "--", "--open"]),
        (["--open", "--json"], ["--open=1", "--json"]),
    ],
)
def test_the_number_may_be_left_out(given: list[str], taken: list[str]) -> None:
    assert with_number(given) == taken


def test_the_command_opens_the_hit_of_that_number(
    mmsearch,
    programs: Programs,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    programs.add("xdg-open")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    indexed(photos, tmp_path / "i")

    done = mmsearch("query", "--open", "red", "--all", "--index", "./i")
    assert programs.calls() == ["xdg-open", str(photos / "red.png")]
    assert "red.png" in done.stdout
    assert "Opening photos/red.png." in done.stderr

    done = mmsearch("query", "red", "--all", "--open", "9", "--index", "./i", code=1)
    assert "There are only 4 hits, so hit 9 cannot be opened." in done.stderr
    mmsearch("query", "red", "--open", "0", "--index", "./i", code=2)
