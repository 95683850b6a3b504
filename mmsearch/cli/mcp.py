"""``mmsearch mcp``: agents search over the Model Context Protocol."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from mmsearch.cli import INTERRUPTED
from mmsearch.cli.options import DeviceOption, open_index, settings_with
from mmsearch.cli.output import note

if TYPE_CHECKING:
    from mmsearch.server.mcp.shelf import Shelf
    from mmsearch.settings import Settings

AskedOption = Annotated[
    list[str] | None,
    typer.Option(
        "--index",
        metavar="NAME_OR_PATH",
        help="An index to search; may be repeated, the first is the default.  [default: default]",
        show_default=False,
    ),
]


def mcp(
    indexes: AskedOption = None,
    http: Annotated[
        bool, typer.Option("--http", help="Serve over HTTP at /mcp, for agents to connect to.")
    ] = False,
    host: Annotated[
        str,
        typer.Option(
            "--host",
            metavar="ADDRESS",
            help="With --http, the address; any but loopback has a token.",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="With --http, the port.")
    ] = 8643,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            metavar="TOKEN",
            envvar="MMSEARCH_TOKEN",
            help="With --http, what agents must show; made up where one is needed.",
            show_default=False,
        ),
    ] = None,
    device: DeviceOption = None,
) -> None:
    """Let agents search and look at hits, over the Model Context Protocol.

    Agents start this command themselves and speak with it over standard input and output.
    """
    settings = settings_with(device=device)
    with _shelf_of(indexes or [settings.index], settings) as shelf:
        if http:
            _serve(shelf, host, port, token)
        else:
            from mmsearch.server.mcp.stdio import run_stdio

            # A thread that waits for standard input cannot be interrupted; an index survives it.
            signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
            run_stdio(shelf)


@contextmanager
def _shelf_of(given: list[str], settings: Settings) -> Iterator[Shelf]:
    """The indexes, opened when they are first asked for and closed at the end."""
    from mmsearch.server.mcp.shelf import OpenedOnce, Shelf, close_all
    from mmsearch.server.names import served_names

    named = served_names(map(settings.index_path, given))
    openers = {
        name: OpenedOnce(partial(open_index, settings, path)) for name, path in named.items()
    }
    try:
        yield Shelf(openers)
    finally:
        close_all(openers.values())


def _serve(shelf: Shelf, host: str, port: int, token: str | None) -> None:
    from mmsearch.background.announce import new_secret
    from mmsearch.server.mcp.extra import require_sdk
    from mmsearch.server.mcp.http import PATH, create_mcp_app
    from mmsearch.server.options import ServerOptions, is_loopback
    from mmsearch.server.run import run_app

    require_sdk()
    if token is None and not is_loopback(host):
        token = new_secret()
    options = ServerOptions(host=host, port=port, token=token)

    def tell(url: str) -> None:
        note(f"mmsearch serves agents at {url.rstrip('/')}{PATH}")
        if token is not None:
            note(f"The token is {token}")
        note("Ctrl-C ends it.")

    run_app(create_mcp_app(shelf, options=options), options, listening=tell)
