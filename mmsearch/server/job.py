"""One indexing job: what it is asked for, how far it is, and what happened in it so far."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from mmsearch.as_json import report_as_json
from mmsearch.errors import IndexLockedError, MmsearchError
from mmsearch.items import IndexReport

if TYPE_CHECKING:
    from mmsearch.ingest.run import Progress

Work: TypeAlias = "Callable[[Progress], IndexReport]"
"""Makes an indexing run, telling its progress."""

_EVERY = 0.2  # seconds from one event of progress to the next, at least


class JobState(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Trigger(StrEnum):
    """Why a job is there."""

    REQUEST = "request"
    WATCH = "watch"


class JobCancelledError(Exception):
    """Ends a run between two files."""


@dataclass(frozen=True, slots=True)
class JobEvent:
    """Something that happened in a job.

    Attributes:
        id: rises from one event to the next.
        kind: ``state``, ``progress``, or at the end ``done``, ``failed`` or ``cancelled``.
        data: the job as it was then.
    """

    id: int
    kind: str
    data: dict[str, Any]


@dataclass
class Job:
    """A run that waits for its turn, is being made, or is over. Safe to use from several threads.

    Attributes:
        index: name of the index.
        work: makes the run.
        paths: what it was asked to index; empty for all sources.
        trigger: why it is there.
        id: names it.
        state: where it stands.
        done: files done.
        total: files to do, as far as known.
        waits_for: what it waits for, beside its turn.
        report: what it did, when it is done.
        error: the exception that it failed with.
    """

    index: str
    work: Work
    paths: Sequence[str] = ()
    trigger: Trigger = Trigger.REQUEST
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: JobState = JobState.WAITING
    done: float = 0.0
    total: int | None = None
    waits_for: str | None = None
    report: IndexReport | None = None
    error: Exception | None = None

    def __post_init__(self) -> None:
        self._times: dict[str, datetime] = {"created_at": datetime.now(UTC)}
        self._turn = threading.RLock()
        self._events: list[JobEvent] = []
        self._listeners: list[Callable[[], object]] = []
        self._told_at = 0.0
        self._cancelled = threading.Event()
        self._over = threading.Event()
        self._note("state")

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen in it."""
        return self._over.is_set()

    def cancel(self) -> None:
        """Has it end: at once where it waits, else before the next file."""
        with self._turn:
            self._cancelled.set()
            if self.state is JobState.WAITING:
                self._end(JobState.CANCELLED)

    def run(self) -> None:
        """Makes the run, in the calling thread; does nothing where it is over.

        Raises:
            IndexLockedError: another process is writing to the index; it waits on.
        """
        with self._turn:
            if self.is_over:
                return
            if self.waits_for is None:
                self._begin()
        try:
            report = self.work(self._progress)
        except JobCancelledError:
            self._end(JobState.CANCELLED)
        except IndexLockedError:
            self._wait_for("another process that writes to the index")
            raise
        except Exception as error:
            self.error = error
            self._end(JobState.FAILED)
        else:
            self.report = report
            self._end(JobState.DONE)

    def wait(self, seconds: float | None = None) -> bool:
        """Waits until it is over; tells whether it is."""
        return self._over.wait(seconds)

    def wait_for_cancel(self, seconds: float) -> None:
        """Waits until it is cancelled, or for so long."""
        self._cancelled.wait(seconds)

    def as_json(self) -> dict[str, Any]:
        """What callers are told of it."""
        with self._turn:
            times = {
                name: self._times[name].isoformat() if name in self._times else None
                for name in ("created_at", "started_at", "ended_at")
            }
            return {
                "id": self.id,
                "index": self.index,
                "state": self.state.value,
                "trigger": self.trigger.value,
                "paths": list(self.paths),
                "done": round(self.done, 2),
                "total": self.total,
                "waits_for": self.waits_for,
                **times,
                "report": None if self.report is None else report_as_json(self.report),
                "error": None if self.error is None else _error_as_json(self.error),
            }

    def events_after(self, last: int) -> list[JobEvent]:
        """What happened after the event with this id; of progress only the newest."""
        with self._turn:
            return [event for event in self._events if event.id > last]

    @contextmanager
    def listening(self, listener: Callable[[], object]) -> Iterator[None]:
        """Has a function called, in any thread, whenever something happens."""
        with self._turn:
            self._listeners.append(listener)
        try:
            yield
        finally:
            with self._turn:
                self._listeners.remove(listener)

    def wake_listeners(self) -> None:
        """Calls them although nothing happened."""
        with self._turn:
            listeners = list(self._listeners)
        for listener in listeners:
            listener()

    def _begin(self) -> None:
        self.state = JobState.RUNNING
        self._times["started_at"] = datetime.now(UTC)
        self._note("state")

    def _wait_for(self, what: str) -> None:
        with self._turn:
            is_new = self.waits_for != what
            self.state, self.waits_for = JobState.WAITING, what
            if self._cancelled.is_set():
                self._end(JobState.CANCELLED)
            elif is_new:
                self._note("state")

    def _progress(self, done: float, total: int) -> None:
        if self._cancelled.is_set():
            raise JobCancelledError
        with self._turn:
            if self.waits_for is not None:
                self.waits_for = None
                self._begin()
            self.done, self.total = done, total
            now = time.monotonic()
            if now - self._told_at >= _EVERY or done == total:
                self._told_at = now
                self._note("progress")

    def _end(self, state: JobState) -> None:
        with self._turn:
            if self.is_over:  # cancelled while it was tried whether the index can be written to
                return
            self.state, self.waits_for = state, None
            self._times["ended_at"] = datetime.now(UTC)
            self._over.set()
            self._note(state.value)

    def _note(self, kind: str) -> None:
        """Remembers an event; one of progress takes the place of the one before."""
        last = self._events[-1].id if self._events else 0
        if kind == "progress" and self._events and self._events[-1].kind == "progress":
            self._events.pop()
        self._events.append(JobEvent(last + 1, kind, self.as_json()))
        self.wake_listeners()


def _error_as_json(error: Exception) -> dict[str, str]:
    if isinstance(error, MmsearchError):
        return {"type": type(error).__name__, "message": str(error)}
    return {
        "type": "InternalError",
        "message": "This is a bug of mmsearch; the server's log says where.",
    }
