"""``mmsearch serve``: the HTTP service and the page."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from mmsearch.cli.options import DeviceOption, settings_with
from mmsearch.cli.output import note

ServedOption = Annotated[
    list[str] | None,
    typer.Option(
        "--index",
        metavar="NAME_OR_PATH",
        help="An index to serve; may be repeated, the first is the default.  [default: default]",
        show_default=False,
    ),
]


def serve(
    indexes: ServedOption = None,
    host: Annotated[
        str, typer.Option("--host", help="The address to listen at; any but loopback has a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Likewise.")] = 8642,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            envvar="MMSEARCH_TOKEN",
            help="What callers must show; made up where one is needed and none is given.",
            show_default=False,
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep the indexes current while files change.")
    ] = False,
    allow_index: Annotated[
        list[Path] | None,
        typer.Option(
            "--allow-index",
            metavar="DIR",
            help="Let callers have folders below this one indexed; may be repeated. They can have "
            "the sources of an index brought up to date anyway.",
            show_default=False,
        ),
    ] = None,
    device: DeviceOption = None,
) -> None:
    """Serve indexes over HTTP: the page at / and the API at /api/v1."""
    import mmsearch
    from mmsearch.server.options import ServerOptions, is_loopback
    from mmsearch.server.run import run

    settings = settings_with(device=device)
    if token is None and not is_loopback(host):
        token = secrets.token_urlsafe(24)
    options = ServerOptions(
        host=host,
        port=port,
        token=token,
        max_megapixels=settings.max_megapixels,
        allow_index=tuple(folder.absolute() for folder in allow_index or ()),
        watch=watch,
    )
    with ExitStack() as stack:
        opened = {}
        for given in indexes or [settings.index]:
            path = settings.index_path(given)
            opened[path.stem] = stack.enter_context(mmsearch.open(path, device=settings.device))
        note(f"http://{host}:{port}/")
        run(opened, options)
