"""Keeps served indexes current while their files change: ``mmsearch serve --watch``."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmsearch.errors import MmsearchError, StorageError
from mmsearch.items import IndexReport
from mmsearch.library import Index
from mmsearch.server.job import Job, Trigger
from mmsearch.server.jobqueue import JobQueue
from mmsearch.server.refusal import Refusal

if TYPE_CHECKING:
    from mmsearch.ingest.run import Progress

_RETRY = 60.0  # seconds until watching is tried again where it could not begin

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Watch:
    """What watches the files of an index.

    Attributes:
        thread: in which it does.
        stop: ends it.
    """

    thread: threading.Thread
    stop: threading.Event


def watch_in_background(name: str, index: Index, queue: JobQueue) -> Watch:
    """Watches the sources of an index; each run is a job in the queue."""
    stop = threading.Event()
    thread = threading.Thread(
        target=_watch, args=(name, index, queue, stop), name=f"mmsearch-watch-{name}", daemon=True
    )
    thread.start()
    return Watch(thread, stop)


def _watch(name: str, index: Index, queue: JobQueue, stop: threading.Event) -> None:
    def through(run: Callable[[Progress | None], IndexReport]) -> IndexReport:
        return _report_of(queue.put(Job(name, run, trigger=Trigger.WATCH)), queue)

    while not stop.is_set():
        try:
            for report in index.watch(stop=stop, through=through):
                _log.info(
                    "%s: %d added, %d updated, %d removed, %d failed",
                    name,
                    report.added,
                    report.updated,
                    report.removed,
                    len(report.failed),
                )
        except (MmsearchError, Refusal) as error:
            if not queue.is_ending:
                _log.warning("The files of %s are not watched: %s", name, error)
            stop.wait(_RETRY)
        except Exception:
            _log.exception("The files of %s are not watched any more", name)
            return


def _report_of(job: Job, queue: JobQueue) -> IndexReport:
    """Waits until a job is over.

    Raises:
        MmsearchError: it failed, or was cancelled; what changed is looked at again.
        Refusal: the server ends.
    """
    job.wait()
    if queue.is_ending and job.report is None:
        raise Refusal(503, "EndingError", "The server ends.")
    if job.error is not None:
        raise job.error
    if job.report is None:
        raise StorageError("The indexing job was cancelled.")
    return job.report
