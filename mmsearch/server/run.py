"""Runs the service until it is told to end."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn
from fastapi import FastAPI
from threadpoolctl import threadpool_limits

from mmsearch.errors import SettingsError
from mmsearch.library import Index
from mmsearch.server.app import create_app
from mmsearch.server.options import ServerOptions
from mmsearch.server.protocol import Protocol
from mmsearch.server.state import ServerState

if TYPE_CHECKING:
    from mmsearch.server.workers import Workers

GRACE = 10
"""Seconds that requests have to finish when the server is told to end."""

SWITCH_SECONDS = 0.0005
"""After so long a thread gives the interpreter to another that waits for it."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(
    indexes: Mapping[str, Index],
    options: ServerOptions,
    *,
    workers: Workers | None = None,
    listening: Callable[[str], None] = lambda url: None,
) -> None:
    """Serves until Ctrl-C or SIGTERM, then finishes the requests that it has begun.

    A second Ctrl-C does not wait for them.

    Args:
        indexes: as of `create_app`.
        options: likewise; port 0 takes any that is free.
        workers: likewise.
        listening: called with the server's URL when it accepts requests.

    Raises:
        SettingsError: it cannot listen at the address.
    """
    app = create_app(indexes, options=options, workers=workers)
    state: ServerState = app.state.server
    run_app(app, options, listening=listening, ending=state.jobs.end)


def run_app(
    app: FastAPI,
    options: ServerOptions,
    *,
    listening: Callable[[str], None] = lambda url: None,
    ending: Callable[[], None] = lambda: None,
) -> None:
    """The same for any application.

    Args:
        app: to be served.
        options: where.
        listening: called with the server's URL when it accepts requests.
        ending: called when it is told to end, before it waits for requests.

    Raises:
        SettingsError: it cannot listen at the address.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        http=Protocol,
        timeout_graceful_shutdown=GRACE,
    )
    with closing(_listening_socket(options)) as listener:
        # For the connections, which take it over: asyncio does not set it for those of a listener
        # made elsewhere, and the end of an answer would wait 40 ms for word of its beginning.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = _Server(config, lambda: listening(_url(options.host, listener)), ending)
        # Requests run side by side. Threads of matrix products beside them would wait for each
        # other busily: that takes six times the processor time.
        with threadpool_limits(1, user_api="blas"), _quick_switches():
            server.run(sockets=[listener])


@contextmanager
def _quick_switches() -> Iterator[None]:
    """Lets threads take turns more often.

    A search gives the interpreter away a hundred times, wherever it reads a row, and would wait
    5 ms for it each time that another request is at work.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


class _Server(uvicorn.Server):
    """Ends by returning, whatever signal told it to, so that its caller can close what is open."""

    def __init__(
        self, config: uvicorn.Config, listening: Callable[[], None], ending: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._listening = listening
        self._ending = ending

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._ending()  # of those who follow jobs, whose requests would go on for ever
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._listening()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before: dict[signal.Signals, Any] = {
            number: signal.signal(number, self.handle_exit) for number in _SIGNALS
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _listening_socket(options: ServerOptions) -> socket.socket:
    """A socket at the address, so that a port that is taken is an error of ours."""
    host = options.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server(
            (host, options.port),
            family=family,
            backlog=2048,
            dualstack_ipv6=host == "::" and socket.has_dualstack_ipv6(),
        )
    except OSError as error:
        # Python's own text repeats the address.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise SettingsError(
            f"Nothing can listen at {options.host} port {options.port}: {reason}. "
            "Give another --port, or another --host."
        ) from error


def _url(host: str, listener: socket.socket) -> str:
    """What to type into a browser on this machine."""
    port = listener.getsockname()[1]
    if host in ("0.0.0.0", "::", "[::]"):  # every address of this machine
        host = "localhost"
    return f"http://[{host}]:{port}/" if ":" in host.strip("[]") else f"http://{host}:{port}/"
