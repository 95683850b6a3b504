"""Workers that have nothing to do for a moment: the next run begins with them.

A worker starts in 0.2 s, the time of some twenty small photos. A program that adds photos one by
one, as they are uploaded or come into a watched folder, would start one for each.
"""

from __future__ import annotations

import atexit
import os
import threading

from mmsearch.ingest.decoder_worker import DecoderWorker

_MOST = 2  # a run of a few photos uses one; each holds some 50 MB
_SECONDS = 10.0


class SpareWorkers:
    """A few workers between two runs, each of which ends when no run comes. Safe between threads.

    Args:
        seconds: how long they wait.
    """

    def __init__(self, seconds: float = _SECONDS) -> None:
        self._seconds = seconds
        self._is_ended_at_exit = False
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._changing = threading.Lock()
        self._waiting: list[DecoderWorker] = []
        self._timer: threading.Timer | None = None

    def put(self, worker: DecoderWorker) -> None:
        """Takes over a worker that nobody uses: it waits, or is ended where enough do."""
        self._leave_those_of_a_parent()
        with self._changing:
            waits = worker.may_wait and len(self._waiting) < _MOST
            if waits:
                self._waiting.append(worker)
                self._end_later()
        if not waits:
            worker.close()

    def take(self) -> DecoderWorker | None:
        """A worker that is like a new one, if there is one; the caller's from now on."""
        self._leave_those_of_a_parent()
        while True:
            with self._changing:
                if not self._waiting:
                    return None
                worker = self._waiting.pop()
            if worker.is_as_new:
                return worker
            worker.close()

    def end(self) -> None:
        """Ends them now."""
        with self._changing:
            workers, self._waiting = self._waiting, []
            if self._timer is not None:
                self._timer.cancel()
        for worker in workers:
            worker.close()

    def _end_later(self) -> None:
        if not self._is_ended_at_exit:
            self._is_ended_at_exit = True
            atexit.register(self.end)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(self._seconds, self.end)
        self._timer.daemon = True
        self._timer.start()

    def _leave_those_of_a_parent(self) -> None:
        """After a fork: two processes must not talk to one worker, nor share a lock."""
        if self._process != os.getpid():
            self._begin()


SPARE = SpareWorkers()
"""Those of this process."""
