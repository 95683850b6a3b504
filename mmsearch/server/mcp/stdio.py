"""Serves the tools over standard input and output, to an agent that has started this program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmsearch.server.mcp.extra import require_sdk

if TYPE_CHECKING:
    from mmsearch.server.mcp.shelf import Shelf


def run_stdio(shelf: Shelf) -> None:
    """Serves until the agent closes standard input.

    While it runs, whatever else is written to standard output goes to standard error: only
    the protocol's messages reach the agent.

    Raises:
        SettingsError: the SDK is not installed.
    """
    require_sdk()
    import anyio

    from mmsearch.server.mcp.tools import build_server

    anyio.run(build_server(shelf).run_stdio_async)
