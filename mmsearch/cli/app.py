"""Puts the commands together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mmsearch.cli import (
    INTERRUPTED,
    duplicates,
    evaluate,
    explain,
    index,
    mcp,
    models,
    optimize,
    query,
    remove,
    serve,
    status,
    stop,
    train,
    watch,
)
from mmsearch.cli.optional import QueryCommand
from mmsearch.cli.output import note, show


class _Commands(TyperGroup):
    """Says so when Ctrl-C ends a command; click would end without a word."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            note("\nmmsearch: interrupted.")
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    name="mmsearch",
    cls=_Commands,
    help="Search photos, captions, recordings and videos by meaning, on your own machine.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from mmsearch import __version__

        show(f"mmsearch {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show a traceback on failure; works in any place.")
    ] = False,
) -> None:
    pass


def _add(name: str, command: Callable[..., None], short: str, **settings: Any) -> None:
    """Adds a command; ``short`` stands in the list of all, which has 62 columns for it."""
    app.command(name, short_help=short, **settings)(command)


_add("index", index.index, "Make folders searchable, or bring an index up to date.")
_add("watch", watch.watch, "Index folders, and follow their changes.")
_add(
    "query",
    query.query,
    "Find what answers words, a photo or a spoken question.",
    cls=QueryCommand,
    epilog=query.EXAMPLES,
)
_add("explain", explain.explain, "Tell why an item answers a query.")
_add("status", status.status, "Show what an index holds.")
_add("optimize", optimize.optimize, "Arrange a large index for fast queries.")
_add("duplicates", duplicates.duplicates, "List files that are the same; nothing is ever deleted.")
_add("remove", remove.remove, "Take files and folders out of an index.")
_add("models", models.models, "List the encoders to choose from.")
_add("eval", evaluate.evaluate, "Measure encoders and rerankers on captioned photos.")
_add("serve", serve.serve, "Serve indexes over HTTP: a page and an API.")
_add("stop", stop.stop, "End the servers that run in the background.")
_add("mcp", mcp.mcp, "Let agents search, over the Model Context Protocol.")
_add("train", train.train, "Adapt an encoder to your own captioned photos.")
