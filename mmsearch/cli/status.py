"""``mmsearch status``: what an index holds, and what it could not read."""

from __future__ import annotations

from typing import Annotated

import typer

from mmsearch.cli.options import IndexOption, JsonOption, settings_with
from mmsearch.cli.output import byte_size, failures_as_json, printable, short_path, show, show_json


def status(
    failed: Annotated[
        bool, typer.Option("--failed", help="List the files that could not be read, and why.")
    ] = False,
    index: IndexOption = None,
    json: JsonOption = False,
) -> None:
    """Show what an index holds."""
    import mmsearch

    settings = settings_with(index=index)
    with mmsearch.open(settings.index_path()) as opened:
        found = opened.status()
    if json:
        show_json(
            {
                "assets": found.assets,
                "items": {modality.value: count for modality, count in found.items.items()},
                "failed": failures_as_json(found.failed),
                "encoder": found.encoder,
                "bytes": found.bytes,
                "sources": [str(source) for source in found.sources],
            }
        )
        return
    if failed:
        for failure in found.failed:
            show(f"{short_path(failure.path)}: {printable(failure.reason)}")
        return
    items = ", ".join(f"{count} {modality}" for modality, count in found.items.items()) or "none"
    show(f"index    {short_path(opened.path)}  ({byte_size(found.bytes)})")
    show(f"encoder  {found.encoder}")
    show(f"assets   {found.assets}")
    show(f"items    {items}")
    for source in found.sources:
        show(f"source   {short_path(source)}")
    if found.failed:
        show(f"failed   {len(found.failed)}  (list them with --failed)")
