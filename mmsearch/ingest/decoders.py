"""Decodes photos in worker processes, so that a codec that crashes or hangs costs one file."""

from __future__ import annotations

import logging
import pickle
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import IO

from mmsearch.errors import MediaError, UnreadableFileError
from mmsearch.ingest.decoder_process import Reply, Request
from mmsearch.ingest.photo import Photo, PhotoWish, decode_photo
from mmsearch.ingest.shared_bytes import SharedBytes

_log = logging.getLogger(__name__)

TIME_LIMIT = 60.0
"""Seconds that one photo may take: a hundred times what the largest ones do."""

READING = 2
"""How many threads more than workers keep files ready for them: disks make threads wait."""

_PHOTOS_PER_WORKER = 16  # a worker starts in 0.2 s, the time of some twenty small photos

_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from mmsearch.ingest.decoder_process import serve; serve(sys.argv[1])"
)


class Decoders:
    """Worker processes that decode photos; they are started when they are needed.

    Callable from as many threads as there are workers, and from more, which then wait. Where the
    system lets no process be started, photos are decoded in the calling thread, and a notice says
    so. Leaving the ``with`` block ends the workers, whatever they are busy with; photos that are
    being decoded then, or later, fail.

    Args:
        workers: how many processes at most.
        time_limit: seconds after which a photo is given up.
    """

    def __init__(self, workers: int, *, time_limit: float = TIME_LIMIT) -> None:
        self._time_limit = time_limit
        self._workers = workers
        self._free = threading.Semaphore(workers)
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._changing = threading.Lock()
        self._cannot_start = False
        self._closed = threading.Event()
        self._watch = threading.Thread(
            target=self._end_late_ones, name="mmsearch-watch", daemon=True
        )

    @classmethod
    def for_photos(cls, count: int, cores: int) -> Decoders:
        """As many workers as pay off for a number of photos, and as there are cores."""
        return cls(max(1, min(cores, count // _PHOTOS_PER_WORKER)))

    def __call__(self, data: bytes, suffix: str, wish: PhotoWish) -> Photo:
        """Decodes a photo as `decode_photo` does.

        Raises:
            MediaError: it cannot be decoded, or its codec crashed or took too long.
        """
        with self._free:
            for attempt in (1, 2):
                worker = self._worker()
                if worker is None:
                    return decode_photo(data, suffix, wish)
                try:
                    return worker.decode(data, suffix, wish, self._time_limit)
                except _WorkerEndedError as ended:
                    # Once more where it crashed: the system may have ended it for another reason.
                    if attempt == 2 or ended.is_late:
                        raise UnreadableFileError(str(ended)) from ended
                finally:
                    self._put_back(worker)
        raise AssertionError("the second attempt returns or raises")

    def _worker(self) -> _Worker | None:
        with suppress(IndexError):
            return self._idle.pop()
        if self._closed.is_set():
            raise UnreadableFileError("the run ended before it was decoded")
        if self._cannot_start:
            return None
        try:
            worker = _Worker()
        except _CannotStartError as error:
            with self._changing:
                first, self._cannot_start = not self._cannot_start, True
            if first:
                _log.warning(
                    "Photos are decoded without worker processes, as none can be started: %s", error
                )
            return None
        with self._changing:
            if self._closed.is_set():
                worker.end()
            else:
                self._all.add(worker)
                if not self._watch.is_alive():
                    self._watch.start()
        return worker

    def _put_back(self, worker: _Worker) -> None:
        if worker.is_ready:
            self._idle.append(worker)
        else:
            with self._changing:
                self._all.discard(worker)
            worker.close()

    def _end_late_ones(self) -> None:
        while not self._closed.wait(min(1.0, self._time_limit / 4)):
            with self._changing:
                workers = list(self._all)
            for worker in workers:
                worker.end_if_late()

    def __enter__(self) -> Decoders:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed.set()
        if self._watch.is_alive():
            self._watch.join()
        with self._changing:
            workers = list(self._all)
        for worker in workers:
            worker.end()
        for _ in range(self._workers):  # until no thread uses one any more
            self._free.acquire()
        while self._idle:
            self._idle.pop().close()
        self._all.clear()
        self._free.release(self._workers)


class _CannotStartError(Exception):
    """A worker process cannot be started, or does not get as far as to decode."""


class _WorkerEndedError(Exception):
    """A worker process ended while it was decoding; the message is a reason for a file."""

    def __init__(self, reason: str, *, is_late: bool) -> None:
        super().__init__(reason)
        self.is_late = is_late


class _Worker:
    """One worker process; used by one thread at a time.

    Raises:
        _CannotStartError: it does not start.
    """

    def __init__(self) -> None:
        if not sys.executable or getattr(sys, "frozen", False):
            raise _CannotStartError("there is no Python to run them with")
        self._memory = SharedBytes()
        self._deadline: float | None = None
        self._is_late = False
        self._judging = threading.Lock()
        self.is_ready = True
        below = getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0)  # of Windows
        try:
            # A plain program, not multiprocessing: that would run the caller's script once more.
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, self._memory.handle, *sys.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=self._memory.inherited,
                # Out of reach of the terminal: Ctrl-C and Ctrl-Z are for this process.
                process_group=0,
                creationflags=below,
            )
        except (OSError, ValueError) as error:
            self._memory.close()
            raise _CannotStartError(str(error)) from error
        try:
            pickle.load(self._replies)
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            self.close()
            raise _CannotStartError(f"it ended with {self._process.returncode}") from error

    @property
    def _requests(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def _replies(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def decode(self, data: bytes, suffix: str, wish: PhotoWish, seconds: float) -> Photo:
        """Decodes a photo.

        Raises:
            MediaError: it cannot be decoded.
            _WorkerEndedError: the process did not survive it.
        """
        self.is_ready = False
        with self._memory.fit(len(data)) as view:
            view[: len(data)] = data
        self._deadline = time.monotonic() + seconds
        try:
            request = Request(len(data), suffix, wish, 2 * seconds)
            pickle.dump(request, self._requests, pickle.HIGHEST_PROTOCOL)
            self._requests.flush()
            answer: Reply | MediaError = pickle.load(self._replies)
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            raise self._ended(seconds) from error
        finally:
            with self._judging:
                self._deadline = None
        self.is_ready = not self._is_late  # it may have been ended the moment after
        if isinstance(answer, MediaError):
            raise answer
        return answer.take(self._memory)

    def end_if_late(self) -> None:
        """Ends the process if its photo is overdue."""
        with self._judging:
            if self._deadline is not None and time.monotonic() > self._deadline:
                self._is_late = True
                self._process.kill()

    def end(self) -> None:
        """Ends the process, whatever it is busy with; nothing is lost by it."""
        self._process.kill()

    def close(self) -> None:
        """Ends the process, and gives back what it was talked to by."""
        self._process.kill()
        with suppress(OSError):
            self._requests.close()
        self._replies.close()
        self._process.wait()
        self._memory.close()

    def _ended(self, seconds: float) -> _WorkerEndedError:
        if self._is_late:
            reason = f"decoding it took longer than {seconds:g} s and was given up"
            return _WorkerEndedError(reason, is_late=True)
        code = self._process.wait()
        how = f"exit code {code}"
        if code < 0:
            with suppress(ValueError):
                how = signal.Signals(-code).name
        return _WorkerEndedError(f"decoding it crashed ({how})", is_late=False)
