"""Standard output and standard error that are full, closed, or not listened to."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mmsearch

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="redirects as POSIX shells do")

QUERY = "query --all red --index ./index"


@pytest.fixture
def here(tmp_path: Path, photos: Path) -> Path:
    with mmsearch.create(tmp_path / "index", model="testing") as index:
        index.add(photos)
    return tmp_path


def shell(arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        f"{shlex.quote(sys.executable)} -m mmsearch {arguments}",
        shell=True,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk is full here")
@pytest.mark.parametrize("arguments", [QUERY, f"{QUERY} --json", f"{QUERY} --paths", "--help"])
def test_a_full_disk_is_no_bug_of_ours(here: Path, arguments: str) -> None:
    done = shell(f"{arguments} > /dev/full", here)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last == "mmsearch: the output cannot be written: No space left on device."
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("redirect", [">&-", "2>&-", ">&- 2>&-", "<&-"])
def test_a_closed_stream_takes_everything_in_silence(here: Path, redirect: str) -> None:
    done = shell(f"{QUERY} {redirect}", here)
    assert done.returncode == 0
    assert ("red.png" in done.stdout) == (">&-" not in redirect.replace("2>&-", ""))
    assert done.stderr == ""


def test_a_reader_that_leaves_at_once_is_no_accident(here: Path) -> None:
    assert shell(f"{QUERY} | true", here).stderr == ""


def test_a_page_is_written_for_a_reader_that_leaves_at_once(here: Path) -> None:
    more = here / "more"
    more.mkdir()
    for number in range(60):  # a list that is longer than what is kept back to be written at once
        shutil.copyfile(here / "photos" / "red.png", more / f"{number:0200}.png")
    with mmsearch.open(here / "index") as index:
        index.add(more)
    given = shlex.split(f"{QUERY} --no-fold -k 60 --html found.html")
    command = [sys.executable, "-m", "mmsearch", *given]
    with subprocess.Popen(command, cwd=here, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.close()
    assert (here / "found.html").exists()


def test_what_stands_behind_two_dashes_is_no_option(here: Path) -> None:
    done = shell("query --index ./index --all --paths -- --debug", here)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 4)
