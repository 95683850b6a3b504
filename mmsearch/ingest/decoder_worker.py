"""One worker process that decodes photos."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import IO

from mmsearch.errors import MediaError
from mmsearch.ingest.decoder_process import Reply, Request
from mmsearch.ingest.photo import Photo, PhotoWish
from mmsearch.ingest.shared_bytes import SharedBytes

_LIGHT = 32 << 20  # bytes of shared memory with which a worker may wait for more work

_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from mmsearch.ingest.decoder_process import serve; serve(sys.argv[1])"
)


class CannotStartError(Exception):
    """A worker process cannot be started, or does not get as far as to decode."""


class WorkerEndedError(Exception):
    """A worker process ended while it was decoding; the message is a reason for a file."""

    def __init__(self, reason: str, *, is_late: bool) -> None:
        super().__init__(reason)
        self.is_late = is_late


class DecoderWorker:
    """One worker process; used by one thread at a time.

    Attributes:
        is_ready: whether it can decode another photo.

    Raises:
        CannotStartError: it does not start.
    """

    def __init__(self) -> None:
        if not sys.executable or getattr(sys, "frozen", False):
            raise CannotStartError("there is no Python to run them with")
        self._memory = SharedBytes()
        self._deadline: float | None = None
        self._is_late = False
        self._judging = threading.Lock()
        self._path = tuple(sys.path)
        self.is_ready = True
        below = getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0)  # of Windows
        try:
            # A plain program, not multiprocessing: that would run the caller's script once more.
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, self._memory.handle, *self._path],
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
            raise CannotStartError(str(error)) from error
        try:
            pickle.load(self._replies)
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            self.close()
            raise CannotStartError(f"it ended with {self._process.returncode}") from error

    @property
    def may_wait(self) -> bool:
        """Whether it can decode more, and takes little memory until then."""
        return self.is_ready and self._memory.size <= _LIGHT

    @property
    def is_as_new(self) -> bool:
        """Whether it still runs, and imports what one would that is started now."""
        return self._path == tuple(sys.path) and self._process.poll() is None

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
            WorkerEndedError: the process did not survive it.
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

    def _ended(self, seconds: float) -> WorkerEndedError:
        if self._is_late:
            reason = f"decoding it took longer than {seconds:g} s and was given up"
            return WorkerEndedError(reason, is_late=True)
        code = self._process.wait()
        how = f"exit code {code}"
        if code < 0:
            with suppress(ValueError):
                how = signal.Signals(-code).name
        return WorkerEndedError(f"decoding it crashed ({how})", is_late=False)
