"""``mmsearch mcp``: agents search over the Model Context Protocol."""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import Annotated

import typer

from mmsearch.cli import INTERRUPTED
from mmsearch.cli.options import DeviceOption, settings_with

AskedOption = Annotated[
    list[str] | None,
    typer.Option(
        "--index",
        metavar="NAME_OR_PATH",
        help="An index to search; may be repeated, the first is the default.  [default: default]",
        show_default=False,
    ),
]


def mcp(indexes: AskedOption = None, device: DeviceOption = None) -> None:
    """Let agents search and look at hits, over the Model Context Protocol.

    Agents start this command themselves and speak with it over standard input and output.
    """
    import mmsearch
    from mmsearch.server.mcp.shelf import OpenedOnce, Shelf, close_all
    from mmsearch.server.mcp.stdio import run_stdio

    settings = settings_with(device=device)
    openers = {}
    for given in indexes or [settings.index]:
        path = settings.index_path(given)
        openers[path.stem] = OpenedOnce(partial(mmsearch.open, path, device=settings.device))
    # A thread that waits for standard input cannot be interrupted; an index survives any end.
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    try:
        run_stdio(Shelf(openers))
    finally:
        close_all(openers.values())
