"""``mmsearch serve``: the HTTP service and the page."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mmsearch.cli.arguments import given_arguments
from mmsearch.cli.options import DeviceOption, JsonOption, open_index, settings_with
from mmsearch.cli.output import note, show_json
from mmsearch.settings import Settings


class LogFormat(StrEnum):
    """How requests are logged."""

    TEXT = "text"
    JSON = "json"


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
    context: typer.Context,
    indexes: ServedOption = None,
    host: Annotated[
        str,
        typer.Option(
            "--host",
            metavar="ADDRESS",
            help="The address to listen at; any but loopback has a token.",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="The port to listen at.")
    ] = 8642,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            metavar="TOKEN",
            envvar="MMSEARCH_TOKEN",
            help="What callers must show; made up where one is needed and none is given.",
            show_default=False,
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            help="Another name under which the server may be called; may be repeated.",
            show_default=False,
        ),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-origin",
            metavar="ORIGIN",
            help="Another site whose pages may call the server, for instance "
            "https://photos.example; may be repeated.",
            show_default=False,
        ),
    ] = None,
    fetch_urls: Annotated[
        bool,
        typer.Option(
            "--fetch-urls", help="Let callers name pictures by URL; never of private addresses."
        ),
    ] = False,
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
    log_format: Annotated[
        LogFormat, typer.Option("--log-format", help="How requests are logged.")
    ] = LogFormat.TEXT,
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            metavar="N",
            min=0,
            max=64,
            help="Processes that answer searches; 0 answers them in the server's own.",
        ),
    ] = 0,
    background: Annotated[
        bool,
        typer.Option(
            "--background", help="Start it in the background and return; `mmsearch stop` ends it."
        ),
    ] = False,
    detached: Annotated[bool, typer.Option("--detached", hidden=True)] = False,
    device: DeviceOption = None,
    json: JsonOption = False,
) -> None:
    """Serve indexes over HTTP: the page at / and the API at /api/v1.

    Ctrl-C ends it when the requests that it has begun are answered. While it runs, `mmsearch
    query` asks it, and answers in no time.
    """
    from mmsearch.background.announce import announced, new_secret
    from mmsearch.server.names import served_names
    from mmsearch.server.observe import JsonLines, Lines, log_to_stderr
    from mmsearch.server.options import ServerOptions, is_loopback
    from mmsearch.server.run import run
    from mmsearch.server.worker import Setup
    from mmsearch.server.workers import Workers

    settings = settings_with(device=device)
    if token is None and not is_loopback(host):
        token = new_secret()
    if background:
        arguments = given_arguments(context, leave_out=("background", "token", "json"))
        _start(arguments, settings, token, json=json)
        return
    options = ServerOptions(
        host=host,
        port=port,
        token=token,
        allowed_hosts=tuple(allow_host or ()),
        allowed_origins=tuple(allow_origin or ()),
        max_megapixels=settings.max_megapixels,
        fetch_urls=fetch_urls,
        allow_index=tuple(folder.absolute() for folder in allow_index or ()),
        watch=watch,
        secret=new_secret(),
    )
    with ExitStack() as stack:
        opened = {}
        paths = [settings.index_path(given) for given in indexes or [settings.index]]
        for name, path in served_names(paths).items():
            opened[name] = stack.enter_context(open_index(settings, path))
        formatter = JsonLines() if log_format is LogFormat.JSON else Lines()
        log_to_stderr(formatter)
        setup = Setup(
            {name: index.path for name, index in opened.items()},
            device=settings.device,
            max_megapixels=settings.max_megapixels,
            formatter=formatter,
        )
        announce = stack.enter_context(
            announced(opened, options, device=settings.device, background=detached)
        )

        def listening(url: str) -> None:
            announce(url)
            if json:
                _show_started(url, os.getpid(), token)
            else:
                _tell(url, token, logged=log_format is LogFormat.JSON)

        run(
            opened,
            options,
            workers=Workers(workers, setup) if workers else None,
            listening=listening,
        )


def _tell(url: str, token: str | None, *, logged: bool) -> None:
    """Says where the server is; ``logged`` where standard error is read by a program."""
    say = logging.getLogger("mmsearch.server").info if logged else note
    say(f"mmsearch serves {url}")
    if token is not None:
        say(f"The token is {token}")
    say("Ctrl-C ends it.")


def _show_started(url: str, pid: int, token: str | None) -> None:
    show_json({"url": url, "pid": pid, "token": token})
    sys.stdout.flush()  # whoever reads it waits for it, and this process goes on


def _start(arguments: list[str], settings: Settings, token: str | None, *, json: bool) -> None:
    from mmsearch.background.start import start

    server = start(arguments, log=settings.cache / "serve.log", token=token)
    if json:
        _show_started(f"{server.url}/", server.pid, token)
        return
    note(f"mmsearch serves {server.url}/ in the background")
    if token is not None:
        note(f"The token is {token}")
    note("`mmsearch stop` ends it.")
