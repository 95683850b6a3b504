"""Worker processes answer searches as the server itself does, and come and go with it."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

import mmsearch
from mmsearch.server.app import create_app
from mmsearch.server.observe import Lines
from mmsearch.server.worker import Setup
from mmsearch.server.workers import Workers
from mmsearch.testing import make_photo
from tests.server.calls import BASE, HOME

pytestmark = pytest.mark.slow  # a process takes a second or two to load


@pytest.fixture
def stored(tmp_path: Path, photos: Path) -> Iterator[mmsearch.Index]:
    """An index whose encoder another process can load by its name."""
    (photos / "red.txt").write_text("A red wall in Lisbon", encoding="utf-8")
    with mmsearch.create(tmp_path / "photos.mmsearch", model="testing") as index:
        index.add(photos)
        yield index


def setup_of(path: Path) -> Setup:
    return Setup({"photos": path}, device="cpu", max_megapixels=100, formatter=Lines())


@contextmanager
def working(
    index: mmsearch.Index, count: int = 1, path: Path | None = None
) -> Iterator[tuple[TestClient, Workers]]:
    """A client of a server with workers, which have yet to start."""
    workers = Workers(count, setup_of(path or index.path))
    app = create_app({"photos": index}, workers=workers)
    with TestClient(app, base_url=HOME) as client:
        yield client, workers


def wait_until(fulfilled: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not fulfilled():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def processes() -> list[psutil.Process]:
    """The workers of this process."""
    found = []
    for child in psutil.Process().children():
        try:
            if any("mmsearch.server.worker" in one for one in child.cmdline()):
                found.append(child)
        except psutil.Error:  # it ended just now
            continue
    return found


def answer(client: TestClient, **asked: Any) -> tuple[int, Any]:
    found = client.get(f"{BASE}/search", params=asked)
    body = found.json()
    body.pop("took_ms", None)
    return found.status_code, body


def not_here(*_: Any, **__: Any) -> None:
    raise AssertionError("the server's own process searches")


ASKED: list[dict[str, Any]] = [
    {"q": "a red photo", "k": 2, "all": True},
    {"q": "Lisbon -blue"},
    {"q": "green", "type": "image", "items": True, "offset": 1},
    {"q": "red", "more_like": [1]},
    {"q": "type:nothing"},
    {"q": "like:#999"},
    {"q": "red", "folder": "nowhere"},
]


def test_a_worker_answers_as_the_server_does(
    stored: mmsearch.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TestClient(create_app({"photos": stored}), base_url=HOME) as client:
        expected = [answer(client, **asked) for asked in ASKED]
        similar = client.get(f"{BASE}/items/1/similar").json()["hits"]
    assert {status for status, _ in expected} == {200, 400}
    with working(stored) as (client, workers):
        wait_until(lambda: workers.ready == 1)
        monkeypatch.setattr(mmsearch.Index, "search", not_here)
        assert [answer(client, **asked) for asked in ASKED] == expected
        body = client.post(f"{BASE}/search", json=ASKED[0]).json()
        assert body["hits"] == expected[0][1]["hits"]
        assert client.get(f"{BASE}/items/1/similar").json()["hits"] == similar


def test_metrics_tell_what_workers_do(stored: mmsearch.Index) -> None:
    with working(stored, 2) as (client, workers):
        # Loading takes the encoder too.
        wait_until(lambda: workers.ready == 2 and client.get("/readyz").status_code == 200)
        before = metrics(client)
        for query in ("red", "blue -green"):
            answer(client, q=query)
        told = metrics(client)
        pids = {str(process.pid) for process in processes()}
    encoded = "mmsearch_encoder_batch_texts_sum"
    assert told[encoded, ""] - before[encoded, ""] == 3
    assert told["mmsearch_workers", ""] == 2
    if sys.platform == "linux":
        assert {pid for name, pid in told if name.startswith("mmsearch_worker_process")} == pids
        for pid in pids:
            assert told["mmsearch_worker_process_cpu_seconds_total", pid] > 0
            assert told["mmsearch_worker_process_resident_memory_bytes", pid] > 10**7


def metrics(client: TestClient) -> dict[tuple[str, str], float]:
    """Values by names, and the ids of processes where there are any."""
    return {
        (sample.name, sample.labels.get("pid", "")): sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
    }


def test_many_searches_are_answered_each_by_its_own_answer(stored: mmsearch.Index) -> None:
    queries = [f"{colour} {number}" for colour in ("red", "blue", "green") for number in range(20)]
    with working(stored, 2) as (client, workers), ThreadPoolExecutor(16) as pool:
        wait_until(lambda: workers.ready == 2)
        found = list(pool.map(lambda query: answer(client, q=query), queries))
    assert [body["query"] for _, body in found] == queries
    assert [body["hits"][0]["name"] for _, body in found] == [
        f"{query.split()[0]}.png" for query in queries
    ]


def test_a_worker_finds_what_was_indexed_since_it_started(
    stored: mmsearch.Index, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with working(stored) as (client, workers):
        wait_until(lambda: workers.ready == 1)
        make_photo(photos / "plum.png", "purple")
        stored.update()
        monkeypatch.setattr(mmsearch.Index, "search", not_here)
        assert answer(client, q="purple")[1]["hits"][0]["name"] == "plum.png"


def test_a_worker_answers_from_an_index_that_was_made_anew(
    stored: mmsearch.Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with working(stored) as (client, workers):
        wait_until(lambda: workers.ready == 1)
        assert len(answer(client, q="purple", all=True)[1]["hits"]) == 4
        shutil.rmtree(stored.path)
        with mmsearch.create(stored.path, model="testing") as other:
            other.add(make_photo(tmp_path / "new" / "plum.png", "purple"))
        monkeypatch.setattr(mmsearch.Index, "search", not_here)
        (hit,) = answer(client, q="purple", all=True)[1]["hits"]
        assert hit["name"] == "plum.png"


def test_a_worker_that_crashes_is_replaced(stored: mmsearch.Index) -> None:
    with working(stored) as (client, workers), ThreadPoolExecutor(1) as pool:
        wait_until(lambda: workers.ready == 1)
        (crashed,) = processes()
        crashed.suspend()
        asked = pool.submit(answer, client, q="red")
        wait_until(lambda: workers._ready[0].waiting() == 1)
        crashed.kill()
        status, body = asked.result(60)
        assert (status, body["error"]["type"]) == (503, "WorkerError")
        wait_until(lambda: workers.ready == 1 and processes() not in ([crashed], []))
        assert answer(client, q="red")[0] == 200
    assert processes() == []


def test_a_search_without_end_is_ended(
    stored: mmsearch.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    with working(stored) as (client, workers):
        wait_until(lambda: workers.ready == 1)
        (stuck,) = processes()
        stuck.suspend()
        with monkeypatch.context() as patch:
            patch.setattr("mmsearch.server.workers.LONGEST", 0.2)
            status, body = answer(client, q="red")
        assert (status, body["error"]["type"]) == (503, "TimeoutError")
        wait_until(lambda: workers.ready == 1 and processes() not in ([stuck], []))
        assert answer(client, q="red")[0] == 200


def test_without_a_worker_the_server_answers_itself(
    stored: mmsearch.Index, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with working(stored, path=tmp_path / "nowhere.mmsearch") as (client, workers):
        wait_until(lambda: "without a worker process" in caplog.text)
        assert workers.ready == 0
        assert answer(client, q="red")[0] == 200


def test_workers_end_with_the_server_also_while_they_load(stored: mmsearch.Index) -> None:
    with working(stored, 2) as (client, _):
        assert answer(client, q="red")[0] == 200
    assert processes() == []
    with working(stored, 2) as (_, workers):
        wait_until(lambda: workers.ready == 2)
    assert processes() == []


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_workers_do_not_outlive_a_server_that_was_killed(
    stored: mmsearch.Index, tmp_path: Path
) -> None:
    from tests.server.test_process import found, started

    home = tmp_path / "home"
    home.mkdir()
    arguments = ("--index", str(stored.path), "--workers", "1")
    with started(*arguments, home=home) as (process, told):
        server = psutil.Process(process.pid)
        wait_until(lambda: len(server.children()) == 1)
        (worker,) = server.children()
        assert found(told["url"], "red") == ["red.png"]
    assert worker.wait(60) in (0, None)
