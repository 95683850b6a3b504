"""As many threads as there are places, in the order they came."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import pytest

from mmsearch.places import Places


def wait_until(fulfilled: Callable[[], bool]) -> None:
    for _ in range(6000):
        if fulfilled():
            return
        threading.Event().wait(0.005)
    raise AssertionError("it does not happen")


def can_take(places: Places) -> bool:
    with places.taken():
        return True


def test_whoever_came_first_goes_first() -> None:
    places, order = Places(1), []

    def take(number: int) -> None:
        with places.taken():
            order.append(number)

    with ThreadPoolExecutor(8) as pool, places.taken():
        for number in range(8):
            pool.submit(take, number)
            wait_until(lambda: len(places._waiting) == number + 1)  # noqa: B023
        assert order == []
    assert order == [*range(8)]


def test_no_more_than_there_are_places() -> None:
    places, turn = Places(3), threading.Lock()
    together = threading.Barrier(3)
    inside = most = 0

    def take(_: int) -> None:
        nonlocal inside, most
        with places.taken():
            with turn:
                inside += 1
                most = max(most, inside)
            together.wait(30)  # three are inside at the same time
            with turn:
                inside -= 1

    with ThreadPoolExecutor(9) as pool:
        list(pool.map(take, range(9)))
    assert most == 3


def test_a_thread_does_not_wait_for_itself() -> None:
    places = Places(1)
    with places.taken(), places.taken():
        pass
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(can_take, places).result(30)


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_whoever_gives_up_waiting_keeps_no_place() -> None:
    places = Places(1)
    taken, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with places.taken():
            taken.set()
            assert go_on.wait(30)

    def interrupt() -> None:
        wait_until(lambda: len(places._waiting) == 1)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    def give_up(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, give_up)
    try:
        with ThreadPoolExecutor(2) as pool:
            holding = pool.submit(hold)
            assert taken.wait(30)
            pool.submit(interrupt)
            with pytest.raises(KeyboardInterrupt), places.taken():
                pass
            go_on.set()
            holding.result(30)
            assert pool.submit(can_take, places).result(30)
    finally:
        signal.signal(signal.SIGUSR1, before)
