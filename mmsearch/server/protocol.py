"""Bounds what a connection may take before its request is known.

What a request may take is bounded by `mmsearch.server.security`, which sees it when its head is
complete. A head that never ends would keep a socket or fill the memory of any server that others
reach. h11 gives up soon after 64 kB (httptools, which uvicorn prefers where it is installed,
never); how long it may take is bounded here.
"""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 30.0
"""Seconds until a connection must have sent the head of a request."""


class Protocol(H11Protocol):
    """HTTP/1.1, on a connection that is closed where no request comes."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for the first request."""
        super().connection_made(transport)
        self._follow()

    def data_received(self, data: bytes) -> None:
        """Takes what has arrived; what is no complete head does not give it more time."""
        super().data_received(data)
        self._follow()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the waiting."""
        self._end()
        super().connection_lost(exc)

    def _follow(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._end()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _give_up(self) -> None:
        self._deadline = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()

    def _end(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
