"""Runs the service until it is told to end."""

from __future__ import annotations

from collections.abc import Mapping
from types import FrameType

import uvicorn
from fastapi import FastAPI

from mmsearch.library import Index
from mmsearch.server.app import create_app
from mmsearch.server.options import ServerOptions
from mmsearch.server.state import ServerState

GRACE = 10
"""Seconds that requests have to finish when the server is told to end."""


def run(indexes: Mapping[str, Index], options: ServerOptions) -> None:
    """Serves until Ctrl-C or SIGTERM, then finishes the requests that it has begun.

    Args:
        indexes: as of `create_app`.
        options: likewise.
    """
    server = _Server(
        uvicorn.Config(
            create_app(indexes, options=options),
            host=options.host,
            port=options.port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE,
        )
    )
    server.run()


class _Server(uvicorn.Server):
    """Ends what would go on for ever, before it waits for the requests that it has begun."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        app = self.config.app
        assert isinstance(app, FastAPI)
        state: ServerState = app.state.server
        state.jobs.end()
        super().handle_exit(sig, frame)
