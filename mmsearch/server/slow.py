"""What takes seconds, kept from holding up what takes milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio

from mmsearch.server.refusal import Refusal

AT_ONCE = 4
"""Slow requests that are worked on at the same time; all others have threads of their own."""

MOST_WAITING = 64
"""Slow requests that wait; more are told to come back, and leave places for others."""

R = TypeVar("R")


class SlowLane:
    """Threads for explanations, recordings, lists of duplicates, and what is fetched.

    In the threads of the searches, a few dozen of them would leave none to search with.
    """

    def __init__(self) -> None:
        self._turns = anyio.CapacityLimiter(AT_ONCE)
        self._inside = 0

    async def run(self, work: Callable[[], R]) -> R:
        """The result of work that takes long, done in a thread when it is its turn.

        Raises:
            Refusal: too much waits already.
            what the work raises.
        """
        if self._inside >= AT_ONCE + MOST_WAITING:
            raise Refusal(
                503, "BusyError", "Too many slow requests wait already; come back in a moment."
            )
        self._inside += 1
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._turns)
        finally:
            self._inside -= 1
