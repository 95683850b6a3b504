"""``mmsearch index``: makes folders searchable, or brings them up to date."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmsearch.as_json import report_as_json
from mmsearch.cli import INTERRUPTED
from mmsearch.cli.indexing import counts_of, index_to_fill
from mmsearch.cli.options import (
    DeviceOption,
    IndexOption,
    JsonOption,
    MegapixelsOption,
    ModelOption,
    SpeechModelOption,
    path_given,
    settings_with,
)
from mmsearch.cli.output import (
    note,
    note_failures,
    printable,
    progress_bar,
    short_path,
    show,
    show_json,
)
from mmsearch.errors import SourceNotFoundError

if TYPE_CHECKING:
    from mmsearch.items import IndexReport
    from mmsearch.library import Index

SHOWN_KINDS = 6


def index(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FOLDER_OR_FILE]...",
            parser=path_given,
            help="What to index; nothing means: bring everything indexed so far up to date.",
            show_default=False,
        ),
    ] = None,
    index: IndexOption = None,
    model: ModelOption = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude",
            metavar="GLOB",
            help="Leave out files and folders that match; may be repeated, is remembered.",
            show_default=False,
        ),
    ] = None,
    captions: Annotated[
        list[Path] | None,
        typer.Option(
            "--captions",
            metavar="FILE",
            help="Captions of many photos: TSV, CSV, JSON Lines, COCO JSON, Parquet or webdataset "
            "tar; may be repeated, is remembered.",
            show_default=False,
        ),
    ] = None,
    ocr: Annotated[
        bool | None,
        typer.Option(
            "--ocr/--no-ocr",
            help="Read the text in photos; is remembered.  [default: no-ocr]",
            show_default=False,
        ),
    ] = None,
    speech_model: SpeechModelOption = None,
    max_megapixels: MegapixelsOption = None,
    device: DeviceOption = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            metavar="N",
            help="How many processor cores to use.  [default: all]",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make photos, captions, recordings and videos searchable, or bring an index up to date.

    Only what is new or changed is read. Stop it at any time: run the same command to go on.
    """
    settings = settings_with(
        index=index,
        model=model,
        device=device,
        max_megapixels=max_megapixels,
        exclude=tuple(exclude) if exclude else None,
        ocr=ocr,
        speech_model=speech_model,
        jobs=jobs,
    )
    given = paths or []
    if captions and not given:
        raise typer.BadParameter("name the folder of the photos too.", param_hint="--captions")
    for path in [*given, *(captions or [])]:
        if not os.path.exists(path):  # noqa: PTH110 - never raises, also where it may not be asked
            raise SourceNotFoundError(f"There is no file or folder at {path}.")
    try:
        with index_to_fill(settings, given, captions=captions or (), model=model) as opened:
            with progress_bar("Indexing", " files") as progress:
                if given:
                    report = opened.add(
                        *given,
                        exclude=settings.exclude or None,
                        captions=captions or (),
                        ocr=settings.ocr,
                        progress=progress,
                    )
                else:
                    report = opened.update(progress=progress)
            if json:
                show_json(report_as_json(report))
            else:
                _show(report, given, opened)
                if captions and report.unmatched_captions:
                    unmatched = report.unmatched_captions
                    note(f"Of the captions, {unmatched} name no file that is indexed.")
    except KeyboardInterrupt:
        note("\nmmsearch: interrupted. What was done is kept; run the same command to go on.")
        raise typer.Exit(INTERRUPTED) from None


def _show(report: IndexReport, paths: list[Path], opened: Index) -> None:
    found = report.added + report.updated + report.unchanged + len(report.failed)
    if paths and not found:
        note(
            f"Nothing to index found in {', '.join(short_path(path.absolute()) for path in paths)}."
        )
    counts = [f"{count} {name}" for name, count in counts_of(report).items()]
    rate = f", {report.items_per_second:.0f} items/s" if report.items_per_second >= 1 else ""
    show(f"{', '.join(counts)} in {report.seconds:.1f} s{rate} ({short_path(opened.path)})")
    note_failures(report.failed)
    if report.other_kinds:
        kinds = ", ".join(
            f"{count} {printable(suffix) or 'without a suffix'}"
            for suffix, count in islice(report.other_kinds.items(), SHOWN_KINDS)
        )
        more = ", ..." if len(report.other_kinds) > SHOWN_KINDS else ""
        note(f"Left alone, as nothing in such files can be searched: {kinds}{more}.")
    _tell_gone(opened.status().sources)


def _tell_gone(sources: Sequence[Path]) -> None:
    """Names sources that are not there: drives that are not plugged in, or folders that moved."""
    gone = [source for source in sources if not os.path.exists(source)]  # noqa: PTH110 - never raises
    if gone:
        shown = ", ".join(map(short_path, gone[:SHOWN_KINDS]))
        more = ", ..." if len(gone) > SHOWN_KINDS else ""
        note(
            f"Not there now, and kept as it was indexed: {shown}{more}. "
            "`mmsearch remove` takes out what has moved or is gone for good."
        )
