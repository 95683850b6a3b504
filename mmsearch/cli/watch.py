"""``mmsearch watch``: keeps an index current while files change."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from mmsearch.as_json import report_as_json
from mmsearch.cli.options import (
    DeviceOption,
    IndexOption,
    MegapixelsOption,
    ModelOption,
    SpeechModelOption,
    settings_with,
)
from mmsearch.cli.output import note, note_failures, progress_bar, show, show_json_line
from mmsearch.settings import Settings

if TYPE_CHECKING:
    from mmsearch.ingest.run import Progress
    from mmsearch.items import IndexReport
    from mmsearch.library import Index


def watch(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FOLDER_OR_FILE]...",
            help="What to index and to watch; nothing means: everything indexed so far.",
            show_default=False,
        ),
    ] = None,
    index: IndexOption = None,
    model: ModelOption = None,
    poll: Annotated[
        float | None,
        typer.Option(
            "--poll",
            metavar="SECONDS",
            min=1,
            help="Look at everything every so often, instead of being told of changes; for drives "
            "that tell of none. Network drives are looked at every 60 seconds by themselves.",
            show_default=False,
        ),
    ] = None,
    speech_model: SpeechModelOption = None,
    max_megapixels: MegapixelsOption = None,
    device: DeviceOption = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line, for each run.")
    ] = False,
) -> None:
    """Index folders, and keep the index current while their files change.

    A file is read when it has not changed for two seconds. A folder that is not there any more, as
    of a drive that was unplugged, keeps what is indexed of it. Ctrl-C ends it.
    """
    from mmsearch.ingest.watch import Pace

    settings = settings_with(
        index=index,
        model=model,
        device=device,
        max_megapixels=max_megapixels,
        speech_model=speech_model,
    )
    given = paths or []
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with _open_or_create(settings, given) as opened:
            opened.max_megapixels = settings.max_megapixels
            opened.speech_model = settings.speech_model
            opened.jobs = settings.jobs
            if not given and not opened.status().sources:
                raise typer.BadParameter("name a folder or file: this index has no sources yet.")
            reports = opened.watch(
                *given,
                pace=Pace() if poll is None else Pace(poll=poll),
                polling=poll is not None,
                through=_with_progress,
            )
            for number, report in enumerate(reports):
                _show(report, json=json)
                if number == 0:
                    note("Watching for changes; Ctrl-C ends it.")
    except KeyboardInterrupt:
        note("\nmmsearch: watching has ended; what was done is kept.")


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Ends as Ctrl-C does."""
    raise KeyboardInterrupt


def _open_or_create(settings: Settings, paths: list[Path]) -> Index:
    import mmsearch
    from mmsearch.errors import IndexNotFoundError

    where = settings.index_path()
    try:
        return mmsearch.open(where, device=settings.device)
    except IndexNotFoundError:
        if not paths:
            raise
        return mmsearch.create(where, model=settings.model, device=settings.device)


def _with_progress(run: Callable[[Progress | None], IndexReport]) -> IndexReport:
    with progress_bar("Indexing", " files") as progress:
        return run(progress)


def _show(report: IndexReport, *, json: bool) -> None:
    if json:
        show_json_line(report_as_json(report))
        return
    counts = [
        f"{count} {name}"
        for name, count in (
            ("added", report.added),
            ("updated", report.updated),
            ("removed", report.removed),
            ("unchanged", report.unchanged),
            ("failed", len(report.failed)),
        )
        if count
    ]
    show(f"{', '.join(counts) or 'nothing to do'} in {report.seconds:.1f} s")
    sys.stdout.flush()
    note_failures(report.failed)
