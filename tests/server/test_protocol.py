"""Connections that never come to ask anything."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI, Request

from mmsearch.server import protocol
from tests.server.live import serving

Connect = Callable[[], socket.socket]

HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n"


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Connects to a server that waits a moment alone for the head of a request."""
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    app = FastAPI()

    @app.post("/")
    async def echo(request: Request) -> str:
        return (await request.body()).decode()

    with serving(app, http=protocol.Protocol) as url:
        address = urlsplit(url)
        yield lambda: socket.create_connection((address.hostname, address.port), timeout=60)


@pytest.mark.parametrize("sent", [b"", b"POST / HT", HEAD[:-2]])
def test_who_asks_nothing_is_hung_up_on(connect: Connect, sent: bytes) -> None:
    with closing(connect()) as connection:
        connection.sendall(sent)
        assert connection.recv(1) == b""


def test_a_body_may_take_longer_and_another_request_not(connect: Connect) -> None:
    with closing(connect()) as connection:
        connection.sendall(HEAD + b"da")
        time.sleep(0.5)
        connection.sendall(b"ta")
        answer = b""
        while not answer.endswith(b'"data"'):
            part = connection.recv(4096)
            assert part
            answer += part
        connection.sendall(HEAD[:20])
        assert connection.recv(1) == b""


def test_a_head_is_bounded(connect: Connect) -> None:
    # What it has not read when it hangs up may take the answer with it.
    with closing(connect()) as connection, suppress(ConnectionError):
        connection.sendall(HEAD[:-2] + b"X-Long: " + b"a" * 1_000_000)
        assert connection.recv(4096).startswith(b"HTTP/1.1 400")
