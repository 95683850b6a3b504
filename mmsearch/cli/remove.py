"""``mmsearch remove``: takes files and folders out of an index."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmsearch.cli.options import IndexOption, JsonOption, open_index, path_given, settings_with
from mmsearch.cli.output import show, show_json


def remove(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER_OR_FILE...",
            help="What to take out; need not exist any more.",
            parser=path_given,
        ),
    ],
    index: IndexOption = None,
    json: JsonOption = False,
) -> None:
    """Take files and folders out of an index; nothing on disk is touched.

    Files inside an indexed folder come back when that folder is indexed again, unless they are
    left out with --exclude.
    """
    with open_index(settings_with(index=index)) as opened:
        before = sum(opened.status().items.values())
        removed = opened.remove(*paths)
        items = before - sum(opened.status().items.values())
    if json:
        show_json({"removed": removed, "items": items})
    elif items and not removed:
        show(f"{items} captions removed")
    else:
        show(f"{removed} removed")
