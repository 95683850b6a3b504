"""Decodes photos in worker processes, so that a codec that crashes or hangs costs one file."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from types import TracebackType

from mmsearch.errors import UnreadableFileError
from mmsearch.ingest.decoder_worker import CannotStartError, DecoderWorker, WorkerEndedError
from mmsearch.ingest.photo import Photo, PhotoWish, decode_photo
from mmsearch.ingest.spare_workers import SPARE

_log = logging.getLogger(__name__)

TIME_LIMIT = 60.0
"""Seconds that one photo may take: a hundred times what the largest ones do."""

READING = 2
"""How many threads more than workers keep files ready for them: disks make threads wait."""

_PHOTOS_PER_WORKER = 16  # a worker starts in 0.2 s, the time of some twenty small photos


class Decoders:
    """Worker processes that decode photos; they are started when they are needed.

    Callable from as many threads as there are workers, and from more, which then wait. Where the
    system lets no process be started, photos are decoded in the calling thread, and a notice says
    so. Leaving the ``with`` block ends the workers, whatever they are busy with, but for a few that
    wait for the next run; photos that are being decoded then, or later, fail.

    Args:
        workers: how many processes at most.
        time_limit: seconds after which a photo is given up.
    """

    def __init__(self, workers: int, *, time_limit: float = TIME_LIMIT) -> None:
        self._time_limit = time_limit
        self._workers = workers
        self._free = threading.Semaphore(workers)
        self._idle: list[DecoderWorker] = []
        self._all: set[DecoderWorker] = set()
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
                except WorkerEndedError as ended:
                    # Once more where it crashed: the system may have ended it for another reason.
                    if attempt == 2 or ended.is_late:
                        raise UnreadableFileError(str(ended)) from ended
                finally:
                    self._put_back(worker)
        raise AssertionError("the second attempt returns or raises")

    def _worker(self) -> DecoderWorker | None:
        with suppress(IndexError):
            return self._idle.pop()
        if self._closed.is_set():
            raise UnreadableFileError("the run ended before it was decoded")
        if self._cannot_start:
            return None
        try:
            worker = SPARE.take() or DecoderWorker()
        except CannotStartError as error:
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

    def _put_back(self, worker: DecoderWorker) -> None:
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
        idle = []
        with suppress(IndexError):
            while kind is None:
                idle.append(self._idle.pop())
        with self._changing:
            self._all.difference_update(idle)
            workers = list(self._all)
        for worker in idle:
            SPARE.put(worker)
        for worker in workers:
            worker.end()
        for _ in range(self._workers):  # until no thread uses one any more
            self._free.acquire()
        while self._idle:
            self._idle.pop().close()
        self._all.clear()
        self._free.release(self._workers)
