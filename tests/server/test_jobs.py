"""Indexing over HTTP: jobs, their events, their end, and what may be indexed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from filelock import FileLock

import mmsearch
from mmsearch.errors import IndexLockedError
from mmsearch.ingest.run import Progress
from mmsearch.items import IndexReport
from mmsearch.server.app import create_app
from mmsearch.server.job import Job, JobState
from mmsearch.server.jobqueue import MOST_WAITING, JobQueue
from mmsearch.server.options import ServerOptions
from mmsearch.testing import TinyEncoder, make_photo
from tests.server.live import serving

ENDED = ("done", "failed", "cancelled")


@pytest.fixture
def more(tmp_path: Path) -> Path:
    """A folder that the operator has allowed."""
    for number in range(40):
        make_photo(tmp_path / "more" / f"{number}.png", (number, 6 * number, 90))
    return tmp_path / "more"


@pytest.fixture
def client(index: mmsearch.Index, photos: Path, more: Path) -> Iterator[httpx.Client]:
    index.add(photos)
    options = ServerOptions(allow_index=(more,))
    with serving(create_app({"photos": index}, options=options)) as address:
        base = f"{address}/api/v1/indexes/photos"
        with httpx.Client(base_url=base, timeout=60) as client:
            yield client


def start(client: httpx.Client, *paths: Path) -> str:
    answer = client.post("/jobs", json={"paths": [str(path) for path in paths]} if paths else {})
    assert answer.status_code == 202, answer.text
    body = answer.json()
    assert answer.headers["location"].endswith(f"/jobs/{body['id']}")
    assert body["state"] in ("waiting", "running")
    return str(body["id"])


def events(client: httpx.Client, job: str, last: str | None = None) -> list[dict[str, Any]]:
    """What a browser's EventSource would have taken, up to the end of the stream."""
    found: list[dict[str, Any]] = []
    headers = {} if last is None else {"Last-Event-ID": last}
    with client.stream("GET", f"/jobs/{job}/events", headers=headers) as stream:
        assert stream.status_code == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        event: dict[str, Any] = {}
        for line in stream.iter_lines():
            name, _, value = line.partition(": ")
            if name in ("id", "event"):
                event[name] = value
            elif name == "data":
                event["data"] = json.loads(value)
            elif not line and event:
                found.append(event)
                event = {}
    return found


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_folder_becomes_searchable_and_its_job_tells_how_far_it_is(
    client: httpx.Client, more: Path
) -> None:
    job = start(client, more)
    told = events(client, job)
    numbers = [int(event["id"]) for event in told]
    assert numbers == sorted(set(numbers))
    assert {event["event"] for event in told} == {"state", "progress", "done"}
    assert told[-1]["event"] == "done"
    done = [event["data"]["done"] for event in told if event["event"] == "progress"]
    assert done == sorted(done)
    assert done[-1] == 40
    report = told[-1]["data"]["report"]
    assert (report["added"], report["failed"]) == (40, [])
    assert client.get(f"/jobs/{job}").json() == told[-1]["data"]
    assert [one["id"] for one in client.get("/jobs").json()["jobs"]] == [job]
    assert client.get("/status").json()["assets"] == 44


def test_all_sources_are_brought_up_to_date(client: httpx.Client, photos: Path) -> None:
    make_photo(photos / "pink.png", "pink")
    (photos / "red.png").unlink()
    report = events(client, start(client))[-1]["data"]["report"]
    assert (report["added"], report["removed"], report["unchanged"]) == (1, 1, 3)


def test_events_go_on_where_a_caller_was_cut_off(client: httpx.Client, more: Path) -> None:
    job = start(client, more)
    told = events(client, job)
    again = events(client, job, last=told[-2]["id"])
    assert again == told[-1:]
    assert events(client, job, last="no number")[-1] == told[-1]
    over = client.get(f"/jobs/{job}/events", headers={"Last-Event-ID": told[-1]["id"]})
    assert over.status_code == 204  # a browser then stays away


@pytest.mark.parametrize("where", ["/etc", "{more}/../secret", "{more}-beside", "{more}/link"])
def test_only_allowed_paths_are_indexed(client: httpx.Client, more: Path, where: str) -> None:
    for folder in (more.parent / "secret", Path(f"{more}-beside")):
        make_photo(folder / "photo.png", "red")
    (more / "link").symlink_to(more.parent / "secret")
    answer = client.post("/jobs", json={"paths": [where.format(more=more)]})
    assert answer.status_code == 403
    assert answer.json()["error"]["type"] == "PathNotAllowedError"
    assert client.get("/jobs").json()["jobs"] == []


def test_sources_and_what_is_in_them_are_allowed(client: httpx.Client, photos: Path) -> None:
    for path in (photos, photos / "deep"):
        assert events(client, start(client, path))[-1]["event"] == "done"


@pytest.mark.parametrize("paths", [["relative"], [""], ["/a\0b"], "no list", [7]])
def test_what_is_no_path_is_refused(client: httpx.Client, paths: object) -> None:
    assert client.post("/jobs", json={"paths": paths}).status_code == 422


def test_a_path_that_is_not_there_is_refused(client: httpx.Client, more: Path) -> None:
    answer = client.post("/jobs", json={"paths": [str(more / "nothing")]})
    assert answer.status_code == 404
    assert "nothing" in answer.json()["error"]["message"]


def test_a_job_that_fails_says_why(client: httpx.Client, more: Path) -> None:
    (more / "program.exe").write_bytes(b"no photo")
    last = events(client, start(client, more / "program.exe"))[-1]
    assert last["event"] == "failed"
    assert last["data"]["error"]["type"] == "UnsupportedFormatError"
    assert "program.exe" in last["data"]["error"]["message"]


def test_there_are_no_jobs_but_those_of_the_index(client: httpx.Client) -> None:
    for method, path in (
        ("GET", "/jobs/abc"),
        ("DELETE", "/jobs/abc"),
        ("GET", "/jobs/abc/events"),
    ):
        assert client.request(method, path).status_code == 404


def test_a_job_waits_while_another_process_writes(
    client: httpx.Client, index: mmsearch.Index, photos: Path
) -> None:
    make_photo(photos / "pink.png", "pink")
    with FileLock(index.path / "lock"):
        job = start(client)
        until(lambda: client.get(f"/jobs/{job}").json()["waits_for"] is not None)
        assert client.get(f"/jobs/{job}").json()["state"] == "waiting"
    assert events(client, job)[-1]["data"]["report"]["added"] == 1


def test_a_job_that_waits_can_be_cancelled(client: httpx.Client, index: mmsearch.Index) -> None:
    with FileLock(index.path / "lock"):
        first, second = start(client), start(client)
        for job in (first, second):
            assert client.delete(f"/jobs/{job}").status_code == 200
            assert events(client, job)[-1]["event"] == "cancelled"
    assert client.delete(f"/jobs/{first}").json()["state"] == "cancelled"  # still


class Halting(TinyEncoder):
    """Halts after half of the photos, until it is told to go on."""

    batch_size = 8  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        self.go_on = threading.Event()

    def encode_images(self, pixels: Any) -> Any:
        self.seen += len(pixels)
        assert self.seen <= 80 or self.go_on.wait(60)
        return super().encode_images(pixels)


def test_a_job_that_is_cancelled_keeps_what_it_committed(tmp_path: Path) -> None:
    for number in range(160):
        make_photo(tmp_path / "many" / f"{number:03}.png", (number % 256, number // 2, 9), (8, 8))
    encoder = Halting()
    with mmsearch.create(tmp_path / "index", model=encoder) as index:
        options = ServerOptions(allow_index=(tmp_path,))
        with serving(create_app({"photos": index}, options=options)) as address:
            base = f"{address}/api/v1/indexes/photos"
            with httpx.Client(base_url=base, timeout=60) as client:
                job = start(client, tmp_path / "many")
                until(lambda: index.status().assets > 0)
                client.delete(f"/jobs/{job}")
                encoder.go_on.set()
                last = events(client, job)[-1]
                assert last["event"] == "cancelled"
                kept = index.status().assets
                assert 0 < kept < 160
                assert events(client, start(client))[-1]["data"]["report"]["unchanged"] == kept
        assert index.status().assets == 160


def test_a_server_that_ends_lets_go_of_those_who_listen(tmp_path: Path) -> None:
    make_photo(tmp_path / "one" / "red.png", "red")
    with mmsearch.create(tmp_path / "index", model="testing") as index:
        options = ServerOptions(allow_index=(tmp_path,))
        app = create_app({"photos": index}, options=options)
        told: list[list[dict[str, Any]]] = []
        with serving(app) as address, FileLock(index.path / "lock"):
            base = f"{address}/api/v1/indexes/photos"
            with httpx.Client(base_url=base, timeout=60) as client:
                job = start(client, tmp_path / "one")

                def listen() -> None:
                    told.append(events(client, job))

                listener = threading.Thread(target=listen)
                listener.start()
                until(lambda: client.get(f"/jobs/{job}").json()["waits_for"] is not None)
                app.state.server.jobs.end()
                listener.join(60)
                assert not listener.is_alive()
                assert told


def report(added: int = 0) -> IndexReport:
    return IndexReport(added=added)


def test_jobs_run_one_at_a_time_in_the_order_they_came() -> None:
    queue = JobQueue()
    running: list[int] = []
    order: list[int] = []

    def work(number: int) -> Callable[[Progress], IndexReport]:
        def run(progress: Progress) -> IndexReport:
            running.append(number)
            assert running == [number]
            time.sleep(0.01)
            order.append(number)
            running.remove(number)
            return report()

        return run

    queue.start()
    jobs = [queue.put(Job("photos", work(number))) for number in range(10)]
    assert all(job.wait(60) for job in jobs)
    assert order == list(range(10))
    assert {job.state for job in jobs} == {JobState.DONE}
    queue.close(60)


def test_jobs_that_were_cancelled_keep_no_places() -> None:
    queue = JobQueue()  # that does not run yet
    first = queue.put(Job("photos", lambda progress: report()))
    for _ in range(3 * MOST_WAITING):
        queue.put(Job("photos", lambda progress: report())).cancel()
    assert len(queue.jobs("photos")) <= 2 * MOST_WAITING
    assert queue.job("photos", first.id) is first
    queue.start()
    assert first.wait(60)
    queue.close(60)
    assert first.state is JobState.DONE


def test_an_index_that_is_written_to_elsewhere_keeps_no_other_waiting() -> None:
    queue = JobQueue()
    free = threading.Event()

    def locked(progress: Progress) -> IndexReport:
        if not free.is_set():
            raise IndexLockedError("written to")
        return report(1)

    queue.start()
    first = queue.put(Job("one", locked))
    second = queue.put(Job("two", lambda progress: report(2)))
    assert second.wait(60)
    assert not first.is_over
    free.set()
    assert first.wait(60)
    assert first.report == report(1)
    queue.close(60)


def test_a_bug_in_a_job_is_not_told_to_callers(caplog: pytest.LogCaptureFixture) -> None:
    queue = JobQueue()
    queue.start()

    def broken(progress: Progress) -> IndexReport:
        raise ZeroDivisionError("a secret path")

    job = queue.put(Job("photos", broken))
    assert job.wait(60)
    assert job.state is JobState.FAILED
    assert "secret" not in json.dumps(job.as_json())
    after = queue.put(Job("photos", lambda progress: report()))
    assert after.wait(60)
    queue.close(60)
