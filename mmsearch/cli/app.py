"""Puts the commands together."""

from __future__ import annotations

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


app.command("index")(index.index)
app.command("watch")(watch.watch)
app.command("query", cls=QueryCommand, epilog=query.EXAMPLES)(query.query)
app.command("explain")(explain.explain)
app.command("status")(status.status)
app.command("optimize")(optimize.optimize)
app.command("duplicates")(duplicates.duplicates)
app.command("remove")(remove.remove)
app.command("models")(models.models)
app.command("eval")(evaluate.evaluate)
app.command("serve")(serve.serve)
app.command("stop")(stop.stop)
app.command("mcp")(mcp.mcp)
app.command("train")(train.train)
