"""What ``mmsearch index`` and ``mmsearch watch`` have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mmsearch.cli.options import create_index, open_index
from mmsearch.cli.output import progress_bar
from mmsearch.errors import IndexNotFoundError
from mmsearch.paths import absolute
from mmsearch.settings import Settings

if TYPE_CHECKING:
    from mmsearch.items import IndexReport
    from mmsearch.library import Index


@contextmanager
def index_to_fill(
    settings: Settings,
    paths: Sequence[Path],
    *,
    captions: Sequence[Path] = (),
    model: str | None = None,
) -> Iterator[Index]:
    """Opens the index that the settings name, or makes it where there is something to index.

    None is made where what is asked for is a mistake.

    Args:
        settings: the values in force.
        paths: what is to be indexed; nothing means all that an index has been given so far.
        captions: files with captions of it.
        model: the encoder that an index is to have from now on which is there already; None or
            ``auto`` for the one that it has.

    Raises:
        IndexNotFoundError: there is no index, and nothing to make one of.
        MmsearchError: there is no index, and what to make one of is a mistake.
        typer.BadParameter: there is nothing to index.
    """
    from mmsearch.ingest.pipeline import Request, check

    try:
        opened = open_index(settings)
    except IndexNotFoundError:
        if not paths:
            raise
        check(
            Request(
                [absolute(path) for path in paths],
                exclude=settings.exclude,
                caption_files=[absolute(path) for path in captions],
                ocr=settings.ocr,
            )
        )
        opened, model = create_index(settings), None  # it has it
    with opened:
        if model is not None and model != "auto":
            with progress_bar("Re-encoding", " items") as progress:
                opened.reencode(model, progress=progress)
        if not paths and not opened.status().sources:
            raise typer.BadParameter("name a folder or file: this index has no sources yet.")
        yield opened


def counts_of(report: IndexReport) -> dict[str, int]:
    """What became of the files, in the words that reports use."""
    return {
        "added": report.added,
        "updated": report.updated,
        "removed": report.removed,
        "unchanged": report.unchanged,
        "failed": len(report.failed),
    }
