"""Worker processes that answer searches, so that these use more than one core.

Python runs one thread at a time, and much of a search is Python. Each worker opens the indexes
itself and sees every commit as any reader does; the files of the vectors are mapped, and so in
memory once. All else stays in the server's own process.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import anyio
from fastapi import Response

from mmsearch.server.refusal import Refusal
from mmsearch.server.worker import LENGTH_BYTES, Answer, Question, Setup

if TYPE_CHECKING:
    from mmsearch.server.search import SearchParameters

AHEAD = 2
"""Searches that are with one worker at the same time: the next one is there when one is done."""

LONGEST = 60.0
"""Seconds that a search may take; a worker that takes longer is ended, and replaced."""

_PATIENCE = 5.0  # seconds for a worker to end by itself
_PROGRAM = (
    # Ctrl-C is for the server, which ends its workers, also while they load.
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    "import sys; sys.path[:] = sys.argv[1:]; from mmsearch.server.worker import serve; serve()"
)

_log = logging.getLogger(__name__)


class Workers:
    """Answers searches in the order they came; a worker that crashes is replaced.

    Args:
        count: how many processes.
        setup: how they open the indexes.

    Attributes:
        seen: told the size of each batch of texts that one has encoded.
    """

    def __init__(self, count: int, setup: Setup) -> None:
        self.seen: Callable[[int], None] = lambda size: None
        self._count = count
        self._setup = setup
        self._ready: list[_Worker] = []
        self._places = asyncio.Semaphore(count * AHEAD)  # first come, first served

    @property
    def ready(self) -> int:
        """How many run, and have loaded the indexes."""
        return len(self._ready)

    @property
    def pids(self) -> tuple[int, ...]:
        """Ids of their processes."""
        return tuple(worker.pid for worker in self._ready)

    async def answer(self, name: str, asked: SearchParameters) -> Response | None:
        """The answer to a search; None where no worker is ready.

        Args:
            name: that the index is served under.
            asked: what is asked of it.

        Raises:
            Refusal: its worker crashed or took too long; what did that once may do it again, so
                nobody else tries.
        """
        async with self._places:
            if not self._ready:
                return None
            worker = min(self._ready, key=_Worker.waiting)
            try:
                async with asyncio.timeout(LONGEST):
                    found = await worker.ask(Question(name, asked))
            except TimeoutError:
                worker.kill()
                raise Refusal(
                    503, "TimeoutError", f"The search was ended after {LONGEST:.0f} s."
                ) from None
            except _EndedError:
                raise Refusal(
                    503, "WorkerError", "The process that searched has ended; ask again."
                ) from None
        return Response(found.body, found.status, media_type="application/json")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Starts them, which takes a second or two beside what is inside, and ends them."""
        async with anyio.create_task_group() as tasks:
            for _ in range(self._count):
                tasks.start_soon(self._keep_one)
            yield
            tasks.cancel_scope.cancel()

    async def _keep_one(self) -> None:
        """Keeps one worker running."""
        while True:
            try:
                worker = await _Worker.start(self._setup)
            except _EndedError as error:
                _log.error("Searches are answered without a worker process: %s", error)
                return
            self._ready.append(worker)
            try:
                await worker.listen(self.seen)
            finally:
                self._ready.remove(worker)
                await worker.end()
            _log.error("A worker process ended with %s; another one starts.", worker.code)


class _EndedError(Exception):
    """A worker process does not start, or is no longer there."""


class _Worker:
    """One worker process."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._questions = process.stdin
        self._answers = process.stdout
        self._asked: deque[asyncio.Future[Answer]] = deque()

    @classmethod
    async def start(cls, setup: Setup) -> _Worker:
        """Starts a process, and waits until it has loaded the indexes.

        Raises:
            _EndedError: it does not start, or cannot load them.
        """
        if not sys.executable or getattr(sys, "frozen", False):
            raise _EndedError("there is no Python to run it with")
        try:
            # A plain program, not multiprocessing: that would run the caller's script once more.
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", _PROGRAM, *sys.path, stdin=PIPE, stdout=PIPE
            )
        except (OSError, NotImplementedError) as error:  # also an event loop without processes
            raise _EndedError(str(error) or "this event loop starts no processes") from error
        worker = cls(process)
        try:
            worker._send(setup)
            await worker._receive()
        except _EndedError as error:
            await worker.end()
            raise _EndedError(f"it ended with {worker.code}") from error
        except BaseException:  # the server ends: what is loading need not finish
            worker.kill()
            await worker.end()
            raise
        return worker

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """What the process ended with."""
        return self._process.returncode

    def waiting(self) -> int:
        """How many searches are with it."""
        return len(self._asked)

    async def ask(self, question: Question) -> Answer:
        """The answer to a search, while another task listens.

        Raises:
            _EndedError: the process ended before it had answered.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._asked.append(answer)
        self._send(question)
        return await answer

    async def listen(self, seen: Callable[[int], None]) -> None:
        """Hands out answers, in the order of the questions, until the process ends.

        Args:
            seen: told the size of each batch of texts.
        """
        try:
            while True:
                answer = await self._receive()
                for size in answer.batches:
                    seen(size)
                asked = self._asked.popleft()
                if not asked.done():  # whoever asked may have gone
                    asked.set_result(answer)
        except _EndedError:
            pass
        finally:
            for asked in self._asked:
                if not asked.done():
                    asked.set_exception(_EndedError("it has ended"))

    async def end(self) -> None:
        """Ends the process, by force where it does not end by itself."""
        with anyio.CancelScope(shield=True):
            self._questions.close()
            with anyio.move_on_after(_PATIENCE):
                await self._process.wait()
            if self.code is None:
                self.kill()
                await self._process.wait()

    def kill(self) -> None:
        """Ends the process at once; whoever listens notices."""
        with suppress(ProcessLookupError):
            self._process.kill()

    def _send(self, message: Setup | Question) -> None:
        self._questions.write(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))

    async def _receive(self) -> Answer:
        try:
            length = int.from_bytes(await self._answers.readexactly(LENGTH_BYTES), "big")
            answer: Answer = pickle.loads(await self._answers.readexactly(length))
        except (EOFError, OSError) as error:  # asyncio's IncompleteReadError is an EOFError
            raise _EndedError("it has ended") from error
        return answer
