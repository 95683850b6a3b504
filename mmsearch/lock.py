"""The lock of an index directory: one writer at a time; readers never wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmsearch.errors import IndexLockedError, IndexNotFoundError, StorageError

LOCK_NAME = "lock"


@contextmanager
def writer_lock(path: Path) -> Iterator[None]:
    """Holds the lock; the system releases it when the process ends, however it ends.

    Raises:
        IndexNotFoundError: the index is no longer there.
        IndexLockedError: another process is writing.
        StorageError: the directory cannot be written to.
    """
    from filelock import FileLock, Timeout

    if not path.is_dir():  # a lock would make it
        raise IndexNotFoundError(f"There is no index at {path} any more.")
    lock = FileLock(path / LOCK_NAME, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise IndexLockedError(
            f"Another process is writing to the index {path}; try again when it is done."
        ) from error
    except OSError as error:
        raise StorageError(f"The index {path} cannot be written to: {error.strerror}.") from error
    try:
        yield
    finally:
        lock.release()
