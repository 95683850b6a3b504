"""Bounds how many threads do something at once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Places:
    """As many threads as there are places; others wait for one, and get it in the order they came.

    A thread that has a place needs no second one, so that it never waits for itself.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._turn = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()  # each is released when its place is there
        self._mine = threading.local()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Takes a place for as long as this lasts."""
        depth: int = getattr(self._mine, "depth", 0)
        if not depth:
            self._take()
        self._mine.depth = depth + 1
        try:
            yield
        finally:
            self._mine.depth = depth
            if not depth:
                self._give()

    def _take(self) -> None:
        mine = threading.Lock()
        mine.acquire()
        try:
            with self._turn:
                if self._free:
                    self._free -= 1
                    return
                self._waiting.append(mine)
            mine.acquire()
        except BaseException:  # Ctrl-C, while it waits
            with self._turn:
                is_given = not mine.locked()
                if mine in self._waiting:
                    self._waiting.remove(mine)
            if is_given:
                self._give()
            raise

    def _give(self) -> None:
        """Hands the place to whoever has waited longest: a newcomer must not take it first."""
        with self._turn:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1
