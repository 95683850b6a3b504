"""Work done ahead in threads, taken in order: bounded in memory, the same result every time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from mmsearch.cores import usable_cores

Job = TypeVar("Job")
Result = TypeVar("Result")


def map_ahead(
    work: Callable[[Job], Result], jobs: Iterable[Job], *, batch: int, workers: int | None = None
) -> Generator[tuple[Job, Result], None, None]:
    """Applies ``work`` to each job in worker threads.

    Args:
        work: must be safe to call from several threads.
        jobs: taken one by one as results are consumed.
        batch: how many results are consumed at once. So many are done or under way ahead, and two
            more for each thread.
        workers: how many threads; None for one a core.

    Yields:
        Each job with its result, in the order of the jobs. Closing the iterator drops the jobs
        that have not begun.
    """
    remaining = iter(jobs)
    workers = workers or usable_cores()
    with ThreadPoolExecutor(workers, thread_name_prefix="mmsearch-read") as pool:
        pending: deque[tuple[Job, Future[Result]]] = deque()
        try:
            for job in islice(remaining, batch + 2 * workers):
                pending.append((job, pool.submit(work, job)))
            while pending:
                job, future = pending.popleft()
                result = future.result()
                for following in islice(remaining, 1):
                    pending.append((following, pool.submit(work, following)))
                yield job, result
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
