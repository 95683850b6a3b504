"""The installed program follows files, alone and as a server, and ends cleanly."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

import mmsearch
from mmsearch.testing import make_photo

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="signals are sent as on POSIX systems"),
]


@contextmanager
def program(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "mmsearch", *map(str, arguments)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watch_follows_files_until_it_is_told_to_end(
    tmp_path: Path, photos: Path, number: signal.Signals
) -> None:
    where = tmp_path / "index"
    with program("watch", photos, "--index", where, "--model", "testing", "--json") as running:
        assert running.stdout is not None
        first = json.loads(running.stdout.readline())
        assert first["added"] + first["unchanged"] <= 4
        make_photo(photos / "pink.png", "pink")
        with mmsearch.open(where) as index:
            until(lambda: index.status().assets == 5)
        added = first["added"]
        while added < 5:
            added += json.loads(running.stdout.readline())["added"]
        running.send_signal(number)
        _, notes = running.communicate(timeout=60)
    assert running.returncode == 0
    assert "watching has ended" in notes
    assert "Traceback" not in notes


def test_watch_without_anything_to_watch_says_what_to_do(tmp_path: Path) -> None:
    with mmsearch.create(tmp_path / "index", model="testing"):
        pass
    with program("watch", "--index", tmp_path / "index") as running:
        _, notes = running.communicate(timeout=60)
    assert running.returncode == 2
    assert "name a folder" in notes


def test_a_server_that_watches_finds_new_photos_and_ends_while_it_is_followed(
    tmp_path: Path, photos: Path
) -> None:
    where = tmp_path / "index"
    with mmsearch.create(where, model="testing") as index:
        index.add(photos)
    with program("serve", "--index", where, "--port", "0", "--watch") as running:
        assert running.stderr is not None
        url = next(line.split()[-1] for line in running.stderr if " serves http" in line)
        with httpx.Client(base_url=f"{url}api/v1/indexes/index", timeout=60) as client:
            make_photo(photos / "pink.png", "pink")

            def is_found() -> bool:
                hits = client.get("/search", params={"q": "pink", "k": 1}).json()["hits"]
                return bool(hits) and hits[0]["name"] == "pink.png"

            until(is_found)
            jobs = client.get("/jobs").json()["jobs"]
            assert [job["trigger"] for job in jobs if job["report"]["added"]] == ["watch"]
            running.send_signal(signal.SIGTERM)
            running.wait(timeout=30)
    assert running.returncode == 0
