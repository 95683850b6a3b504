"""Work done ahead in threads, taken in order: bounded in memory, the same result every time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from mmsearch.cores import usable_cores

Job = TypeVar("Job")
Result = TypeVar("Result")


@contextmanager
def map_ahead(
    work: Callable[[Job], Result], jobs: Iterable[Job], *, batch: int, workers: int | None = None
) -> Generator[Iterator[tuple[Job, Result]], None, None]:
    """Applies ``work`` to each job in worker threads.

    Leaving the ``with`` block drops the jobs that have not begun, and waits for the others: what
    makes them end sooner has to be left before.

    Args:
        work: must be safe to call from several threads.
        jobs: taken one by one as results are consumed.
        batch: how many results are consumed at once. So many are done or under way ahead, and two
            more for each thread.
        workers: how many threads; None for one a core.

    Yields:
        Gives each job with its result, in the order of the jobs.
    """
    workers = workers or usable_cores()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="mmsearch-read")
    try:
        yield _results(pool, work, jobs, ahead=batch + 2 * workers)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _results(
    pool: ThreadPoolExecutor, work: Callable[[Job], Result], jobs: Iterable[Job], *, ahead: int
) -> Iterator[tuple[Job, Result]]:
    remaining = iter(jobs)
    pending: deque[tuple[Job, Future[Result]]] = deque()
    for job in islice(remaining, ahead):
        pending.append((job, pool.submit(work, job)))
    while pending:
        job, future = pending.popleft()
        result = future.result()
        for following in islice(remaining, 1):
            pending.append((following, pool.submit(work, following)))
        yield job, result
