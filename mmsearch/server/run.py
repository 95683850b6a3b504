"""Runs the service until it is told to end."""

from __future__ import annotations

from collections.abc import Mapping

import uvicorn

from mmsearch.library import Index
from mmsearch.server.app import create_app
from mmsearch.server.options import ServerOptions

GRACE = 10
"""Seconds that requests have to finish when the server is told to end."""


def run(indexes: Mapping[str, Index], options: ServerOptions) -> None:
    """Serves until Ctrl-C or SIGTERM, then finishes the requests that it has begun.

    Args:
        indexes: as of `create_app`.
        options: likewise.
    """
    server = uvicorn.Server(
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
