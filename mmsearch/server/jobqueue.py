"""Indexing jobs, one at a time: two would only keep each other from the processor's cores."""

from __future__ import annotations

import logging
import threading
from collections import deque

from mmsearch.errors import IndexLockedError, MmsearchError
from mmsearch.server.job import Job, JobState, Trigger
from mmsearch.server.refusal import Refusal

MOST_WAITING = 100
"""Jobs that wait at the same time; more are refused."""

_KEPT = 100  # jobs that are over and can still be asked for
_RETRY = 1.0  # seconds until the next try while another process writes to the index

_log = logging.getLogger(__name__)


class JobQueue:
    """Runs jobs in a thread of its own, in the order they came.

    A job whose index another process is writing to lets the others go first.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._jobs: dict[str, Job] = {}
        self._running: Job | None = None
        self._thread: threading.Thread | None = None
        self.is_ending = False

    def start(self) -> None:
        """Begins to run jobs."""
        self.is_ending = False
        self._thread = threading.Thread(target=self._work, name="mmsearch-jobs", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Tells all who listen, and the job that runs, that the server ends."""
        with self._changed:
            self.is_ending = True
            jobs = list(self._jobs.values())
            self._changed.notify_all()
        for job in jobs:
            job.cancel()
            job.wake_listeners()

    def close(self, seconds: float) -> None:
        """Ends it, and waits so long for the job that runs; what it committed is kept anyway."""
        self.end()
        if self._thread is not None:
            self._thread.join(seconds)

    def put(self, job: Job) -> Job:
        """Takes a job.

        Raises:
            Refusal: too many wait, or the server ends.
        """
        with self._changed:
            self._waiting = deque(one for one in self._waiting if not one.is_over)
            if self.is_ending or len(self._waiting) >= MOST_WAITING:
                raise Refusal(503, "BusyError", "Too many jobs wait already; try again later.")
            self._forget_oldest()
            self._jobs[job.id] = job
            self._waiting.append(job)
            self._changed.notify_all()
        return job

    def jobs(self, index: str) -> list[Job]:
        """The jobs of an index that wait, run, or have ended not long ago; the newest first."""
        with self._changed:
            return [job for job in reversed(self._jobs.values()) if job.index == index]

    def job(self, index: str, number: str) -> Job:
        """The job with an id.

        Raises:
            Refusal: there is none in this index.
        """
        with self._changed:
            found = self._jobs.get(number)
        if found is None or found.index != index:
            raise Refusal(404, "NoJobError", f"There is no job {number!r} for this index.")
        return found

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                job.run()
            except IndexLockedError:
                self._put_back(job)
                continue
            if job.state is JobState.FAILED and not isinstance(job.error, MmsearchError):
                _log.error("A job failed", exc_info=job.error)
            self._forget(job)

    def _next(self) -> Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self.is_ending)
            return None if self.is_ending else self._waiting.popleft()

    def _put_back(self, job: Job) -> None:
        with self._changed:
            self._waiting.append(job)
            is_alone = len(self._waiting) == 1
        if is_alone or all(one.waits_for for one in self._waiting):
            job.wait_for_cancel(_RETRY)

    def _forget(self, ended: Job) -> None:
        """Keeps the newest of those that are over, and none that a watch found nothing to do."""
        with self._changed:
            if ended.trigger is Trigger.WATCH and ended.state is JobState.DONE and not ended.total:
                self._jobs.pop(ended.id, None)
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        over = [job for job in self._jobs.values() if job.is_over]
        for job in over[: max(0, len(over) - _KEPT)]:
            del self._jobs[job.id]
