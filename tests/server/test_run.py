"""How the server listens."""

from __future__ import annotations

import socket

import pytest
import uvicorn
from fastapi import FastAPI

from mmsearch.server.options import ServerOptions
from mmsearch.server.run import run_app


def test_the_end_of_an_answer_does_not_wait_for_word_of_its_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_once: list[int] = []

    def accept(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        (listener,) = sockets
        with (
            socket.create_connection(listener.getsockname()[:2], timeout=30),
            listener.accept()[0] as connection,
        ):
            at_once.append(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    monkeypatch.setattr(uvicorn.Server, "run", accept)
    run_app(FastAPI(), ServerOptions(port=0))
    assert len(at_once) == 1
    assert at_once[0]
