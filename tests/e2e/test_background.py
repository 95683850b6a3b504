"""A server in the background answers `mmsearch query`, which prints what it prints without one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import mmsearch
from mmsearch.testing import make_photo

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform in ("darwin", "win32"), reason="the runtime folder cannot be set here"
    ),
]

Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    for name in ("red", "dark red", "blue", "green"):
        make_photo(home / "photos" / f"{name}.png", name.split()[-1])
    (home / "photos" / os.fsdecode(b"odd \xff.png")).write_bytes(
        (home / "photos" / "red.png").read_bytes()
    )
    with mmsearch.create(home / "index", model="testing") as index:
        index.add(home / "photos")
    return home


@pytest.fixture(scope="module")
def run(home: Path) -> Run:
    environment = {
        **os.environ,
        "XDG_RUNTIME_DIR": str(home / "run"),
        "MMSEARCH_CACHE": str(home / "cache"),
        "MMSEARCH_INDEX": str(home / "index"),
    }

    def run_command(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "mmsearch", *arguments]
        done = subprocess.run(command, cwd=home, env=environment, capture_output=True)
        assert done.returncode == 0 or not check, done.stderr.decode()
        return done

    return run_command


@pytest.fixture
def server(run: Run) -> Iterator[dict[str, Any]]:
    started = json.loads(run("serve", "--background", "--port", "0", "--json").stdout)
    try:
        yield started
    finally:
        run("stop")


def until_nobody_listens(url: str) -> None:
    address = urlsplit(url)
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection((address.hostname, address.port)).close()
        except ConnectionError:
            return
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_answered_by_server(done: subprocess.CompletedProcess[bytes]) -> bool:
    return b"Answered by the server" in done.stderr


QUERIES = [
    ("something red",),
    ("red -blue type:image", "--all"),
    ("red", "-k", "2", "--items", "--no-fold", "--paths"),
    ("red", "-0"),
    ("--more-like", "#1"),
    ("type:image", "--diverse"),
    ("green", "--rerank", "regions"),
]


def test_the_same_is_printed(run: Run, home: Path) -> None:
    before = [run("query", *query) for query in QUERIES]
    run("serve", "--background", "--port", "0")
    try:
        for query, expected in zip(QUERIES, before, strict=True):
            found = run("query", *query, "--debug")
            notice, _, rest = found.stderr.partition(b"\n")
            assert b"Answered by the server" in notice
            assert (found.stdout, rest) == (expected.stdout, expected.stderr)
    finally:
        run("stop")


def test_json_is_the_same_but_for_the_time(run: Run, server: dict[str, Any]) -> None:
    through = json.loads(run("query", "red", "--json").stdout)
    run("stop")
    alone = json.loads(run("query", "red", "--json").stdout)

    assert through | {"took_ms": 0} == alone | {"took_ms": 0}


@pytest.mark.parametrize(
    "query", [("photos/red.png",), ("red", "--in", "photos"), ("type:nothing",)]
)
def test_what_a_server_cannot_know_is_found_out_here(
    run: Run, server: dict[str, Any], query: tuple[str, ...]
) -> None:
    through = run("query", *query, "--debug", check=False)
    assert not is_answered_by_server(through)


def test_new_photos_are_found_at_once(run: Run, home: Path, server: dict[str, Any]) -> None:
    make_photo(home / "photos" / "pink.png", "pink")
    run("index", str(home / "photos"))
    found = run("query", "pink", "-k", "1", "--paths", "--debug")

    assert is_answered_by_server(found)
    assert found.stdout == b"%b\n" % os.fsencode(home / "photos" / "pink.png")


def test_an_index_that_is_made_anew_is_answered_from(
    run: Run, home: Path, server: dict[str, Any]
) -> None:
    run("query", "red")
    shutil.rmtree(home / "index")
    assert run("query", "red", check=False).returncode == 1
    make_photo(home / "photos" / "plum.png", "purple")
    with mmsearch.create(home / "index", model="testing") as index:
        index.add(home / "photos")
    found = run("query", "purple", "-k", "1", "--paths", "--debug")

    assert is_answered_by_server(found)
    assert found.stdout == b"%b\n" % os.fsencode(home / "photos" / "plum.png")


def test_a_killed_server_is_forgotten(run: Run, server: dict[str, Any]) -> None:
    os.kill(server["pid"], signal.SIGKILL)
    until_nobody_listens(server["url"])
    found = run("query", "red", "--debug")

    assert found.stdout
    assert not is_answered_by_server(found)
    assert json.loads(run("stop", "--json").stdout) == {"stopped": []}


def test_stop_ends_it(run: Run, server: dict[str, Any]) -> None:
    stopped = json.loads(run("stop", "--json").stdout)["stopped"]

    assert [one["pid"] for one in stopped] == [server["pid"]]
    assert not is_answered_by_server(run("query", "red", "--debug"))
    assert b"No server runs" in run("stop").stderr


def test_one_that_cannot_start_says_why_and_leaves_the_other_its_log(
    run: Run, home: Path, server: dict[str, Any]
) -> None:
    port = server["url"].rstrip("/").rpartition(":")[2]
    second = run("serve", "--background", "--port", port, check=False)

    assert second.returncode == 1
    assert b"Nothing can listen" in second.stderr
    assert len(second.stderr.splitlines()) == 1
    log = (home / "cache" / "serve.log").read_text()
    assert server["url"] in log
