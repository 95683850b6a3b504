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
from mmsearch.cli.indexing import counts_of, index_to_fill
from mmsearch.cli.options import (
    DeviceOption,
    IndexOption,
    MegapixelsOption,
    ModelOption,
    SpeechModelOption,
    path_given,
    settings_with,
)
from mmsearch.cli.output import note, note_failures, progress_bar, show, show_json_line

if TYPE_CHECKING:
    from mmsearch.ingest.run import Progress
    from mmsearch.items import IndexReport


def watch(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FOLDER_OR_FILE]...",
            parser=path_given,
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
        with index_to_fill(settings, given) as opened:
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


def _with_progress(run: Callable[[Progress | None], IndexReport]) -> IndexReport:
    with progress_bar("Indexing", " files") as progress:
        return run(progress)


def _show(report: IndexReport, *, json: bool) -> None:
    if json:
        show_json_line(report_as_json(report))
        return
    counts = [f"{count} {name}" for name, count in counts_of(report).items() if count]
    show(f"{', '.join(counts) or 'nothing to do'} in {report.seconds:.1f} s")
    sys.stdout.flush()
    note_failures(report.failed)
