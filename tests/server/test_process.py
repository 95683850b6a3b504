"""The server as a process: where it listens, what it logs, how it ends, what others index."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

import mmsearch
from mmsearch.testing import make_photo

pytestmark = pytest.mark.slow


@contextmanager
def started(*arguments: str, home: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A server, and what it says of itself when it listens."""
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(home / "run")}
    command = [sys.executable, "-m", "mmsearch", "serve", "--port", "0", "--json", *arguments]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        )
    assert process.stdout is not None
    with process.stdout:
        try:
            told = ""
            while not told.endswith("}\n"):
                line = process.stdout.readline()
                assert line, (home / "log").read_text()
                told += line
            yield process, json.loads(told)
        finally:
            process.kill()
            process.wait()


def found(url: str, q: str, **more: Any) -> list[str]:
    answer = httpx.get(
        f"{url}api/v1/indexes/photos/search", params={"q": q, "k": 1, **more}, timeout=60
    )
    return [hit["name"] for hit in answer.raise_for_status().json()["hits"]]


@pytest.fixture
def served(tmp_path: Path, photos: Path) -> Path:
    with mmsearch.create(tmp_path / "photos.mmsearch", model="testing") as index:
        index.add(photos)
    return index.path


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_leaves_nothing_behind(
    served: Path, tmp_path: Path, number: signal.Signals
) -> None:
    with started("--index", str(served), home=tmp_path) as (process, told):
        assert told["pid"] == process.pid
        assert told["token"] is None
        assert found(told["url"], "red") == ["red.png"]
        process.send_signal(number)
        assert process.wait(60) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert not list((tmp_path / "run").rglob("*.json"))


def test_a_log_of_json_is_json_in_every_line(served: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mmsearch", "serve", "--port", "0", "--index", str(served)]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    process = subprocess.Popen(
        [*command, "--log-format", "json"], stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stderr is not None
    with process.stderr as log:
        try:
            lines = [json.loads(log.readline())]
            while not (where := re.search(r"serves (http\S+)", lines[-1]["message"])):
                lines.append(json.loads(log.readline()))
            asked = f"{where[1]}api/v1/indexes/photos/search?q=what+I+look+for"
            httpx.get(asked, headers={"X-Request-ID": "mine"}, timeout=60)
            httpx.get(f"{where[1]}nowhere", timeout=60)
            process.terminate()
            lines += map(json.loads, log)
        finally:
            process.kill()
            process.wait()
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    (search,) = [line for line in lines if line.get("request_id") == "mine"]
    assert (search["method"], search["status"]) == ("GET", 200)
    assert "look" not in json.dumps(lines)
    assert [line["status"] for line in lines if line.get("path") == "/nowhere"] == [404]


def test_what_another_process_indexes_is_found_by_the_next_request(
    served: Path, photos: Path, tmp_path: Path
) -> None:
    with started("--index", str(served), home=tmp_path) as (_, told):
        assert found(told["url"], "purple", all=True) != ["plum.png"]
        make_photo(photos / "plum.png", "purple")
        (photos / "red.png").unlink()
        index = [sys.executable, "-m", "mmsearch", "index", "--index", str(served), str(photos)]
        subprocess.run(index, check=True, capture_output=True)
        assert found(told["url"], "purple") == ["plum.png"]
        assert found(told["url"], "red") != ["red.png"]


def test_the_head_of_a_request_is_bounded(served: Path, tmp_path: Path) -> None:
    with started("--index", str(served), home=tmp_path) as (_, told):
        answer = 400
        # What it has not read when it hangs up may take the answer with it.
        with suppress(httpx.NetworkError, httpx.RemoteProtocolError):
            answer = httpx.get(
                f"{told['url']}healthz", headers={"X-Long": "a" * 1_000_000}, timeout=60
            ).status_code
        assert answer == 400


def test_a_token_that_is_made_up_is_told(served: Path, tmp_path: Path) -> None:
    with started("--index", str(served), "--host", "0.0.0.0", home=tmp_path) as (_, told):
        url = told["url"].replace("localhost", "127.0.0.1")
        assert httpx.get(f"{url}api/v1/indexes", timeout=60).status_code == 401
        shown = httpx.get(f"{url}api/v1/indexes", auth=("any", told["token"]), timeout=60)
        assert shown.status_code == 200
