"""``mmsearch status``: what an index holds, and what it could not read."""

from __future__ import annotations

from typing import Annotated

import typer

from mmsearch.as_json import status_as_json
from mmsearch.cli.optimize import described
from mmsearch.cli.options import IndexOption, JsonOption, open_index, settings_with
from mmsearch.cli.output import byte_size, note, printable, short_path, show, show_json


def status(
    failed: Annotated[
        bool, typer.Option("--failed", help="List the files that could not be read, and why.")
    ] = False,
    index: IndexOption = None,
    json: JsonOption = False,
) -> None:
    """Show what an index holds."""
    with open_index(settings_with(index=index)) as opened:
        found = opened.status()
    if json:
        show_json(status_as_json(found))
        return
    if failed:
        for failure in found.failed:
            show(f"{short_path(failure.path)}: {printable(failure.reason)}")
        if not found.failed:
            note("All files could be read.")
        return
    items = ", ".join(f"{count} {modality}" for modality, count in found.items.items()) or "none"
    show(f"index    {short_path(opened.path)}  ({byte_size(found.bytes)})")
    show(f"encoder  {found.encoder}")
    show(f"assets   {found.assets}")
    show(f"items    {items}")
    if found.vectors is not None:
        show(f"vectors  {described(found.vectors)}")
    for source in found.sources:
        show(f"source   {short_path(source)}")
    if found.failed:
        show(f"failed   {len(found.failed)}  (list them with --failed)")
