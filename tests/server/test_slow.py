"""Requests that take seconds leave room for those that take milliseconds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

import mmsearch
from mmsearch.errors import QueryError
from mmsearch.server.refusal import Refusal
from mmsearch.server.slow import AT_ONCE, MOST_WAITING, SlowLane
from tests.server.calls import BASE, calling


def test_no_more_than_a_few_run_and_no_more_than_some_wait() -> None:
    running, most = 0, 0
    turn, together = threading.Lock(), threading.Barrier(AT_ONCE)

    def work() -> None:
        nonlocal running, most
        with turn:
            running += 1
            most = max(most, running)
        together.wait(60)  # so many do run at the same time
        with turn:
            running -= 1

    async def ask() -> None:
        lane = SlowLane()
        count = AT_ONCE + MOST_WAITING
        asked = [asyncio.create_task(lane.run(work)) for _ in range(count)]
        await asyncio.sleep(0)  # all of them have come
        with pytest.raises(Refusal) as refused:
            await lane.run(work)
        assert refused.value.status == 503
        await asyncio.gather(*asked)

    asyncio.run(ask())
    assert most == AT_ONCE


@pytest.mark.parametrize(
    "path",
    [
        "items/1/explain?q=red",
        "items/1/explain.png?q=red",
        "duplicates",
        "search?q=red&rerank=regions",
    ],
)
def test_searches_go_on_beside_a_flood_of_what_is_slow(
    photo_index: mmsearch.Index, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    began, go_on = threading.Event(), threading.Event()

    def slow(*_: Any, **__: Any) -> Any:
        began.set()
        assert go_on.wait(120)  # longer than a search may take
        raise QueryError("That took long.")

    monkeypatch.setattr(mmsearch.Index, "explain", slow)
    monkeypatch.setattr(mmsearch.Index, "duplicates", slow)
    search = mmsearch.Index.search
    monkeypatch.setattr(
        mmsearch.Index,
        "search",
        lambda *args, **asked: (slow if asked.get("rerank") else search)(*args, **asked),
    )
    with calling(photo_index, threads=2) as client, ThreadPoolExecutor(8) as pool:
        flood: list[Future[Any]] = [pool.submit(client.get, f"{BASE}/{path}") for _ in range(6)]
        try:
            assert began.wait(60)
            assert search_within(client, 60)
        finally:
            go_on.set()
        assert {one.result().status_code for one in flood} == {400}


def search_within(client: TestClient, seconds: float) -> bool:
    """Whether a search is answered in time."""
    ask: Callable[[], Any] = lambda: client.get(f"{BASE}/search", params={"q": "red"})  # noqa: E731
    pool = ThreadPoolExecutor(1)
    try:
        return bool(pool.submit(ask).result(seconds).status_code == 200)
    except TimeoutError:
        return False
    finally:
        pool.shutdown(wait=False)
