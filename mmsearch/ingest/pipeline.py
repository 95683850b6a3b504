"""One indexing run: brings an index up to date with folders and files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mmsearch.catalog.catalog import Catalog
from mmsearch.errors import SourceNotFoundError
from mmsearch.index import IndexDirectory
from mmsearch.ingest.background import ensure_background
from mmsearch.ingest.changed import changed_scopes
from mmsearch.ingest.collection import CaptionCollection, ReadCaptions
from mmsearch.ingest.ledger import Ledger
from mmsearch.ingest.plan import IsBusy, Plan, SpeechModels, make_plan, never_busy
from mmsearch.ingest.run import Models, Progress, Run, no_progress
from mmsearch.ingest.sources import Scope, scope_of
from mmsearch.ingest.tally import Tally
from mmsearch.items import IndexReport
from mmsearch.media.caption_files import read_caption_rows
from mmsearch.media.discover import discover
from mmsearch.media.ocr import require_text_reader


@dataclass(frozen=True, slots=True)
class Request:
    """What a run is asked for.

    Attributes:
        paths: absolute paths of folders and files; none means all known sources, of which those
            that are not there are reported as failed and left as they are.
        exclude: glob patterns to leave out of these sources from now on; None keeps theirs.
        caption_files: absolute paths of files that hold captions of these sources' photos from
            now on.
        ocr: whether the text in these sources' photos is read from now on; None keeps what was.
        max_megapixels: larger images are recorded as failures.
        jobs: how many processor cores to use; None for all.
        changed: absolute paths in known sources; only what may be different because of them is
            looked at. None for everything that is asked for.
        is_busy: which files are still being written; they are left as they are.
    """

    paths: Sequence[Path] = ()
    exclude: Sequence[str] | None = None
    caption_files: Sequence[Path] = ()
    ocr: bool | None = None
    max_megapixels: float = 0.0
    jobs: int | None = None
    changed: Sequence[Path] | None = None
    is_busy: IsBusy = never_busy


def update_index(
    directory: IndexDirectory,
    models: Models,
    speech: SpeechModels,
    request: Request,
    *,
    progress: Progress | None = None,
) -> IndexReport:
    """Brings an index up to date with folders and files.

    What is committed stays, whatever happens to the process: at most the files since the last
    commit (64 of them, or two seconds; of a recording some minutes) are lost, and the next run
    goes on from there.

    Args:
        directory: the index.
        models: what reads and encodes; loaded only if there is something for them to do.
        speech: which speech models there are, without loading them.
        request: what to do.
        progress: told after each file, and within long ones.

    Raises:
        SourceNotFoundError: a path is not there; nothing was changed.
        UnsupportedFormatError: a path is a file that cannot be searched; nothing was changed.
        SettingsError: a pattern names nothing; nothing was changed.
        DatasetError: a caption file cannot be read; nothing was changed.
        IndexLockedError: another process is writing to the index.
    """
    tally = Tally()
    with directory.writing() as catalog:
        read_captions = cache(read_caption_rows)  # once, though several sources may have them
        check(request, read_captions)
        plans = []
        for scope in _scopes(catalog, request):
            try:
                plans.append(_plan(catalog, scope, read_captions, speech, request, tally))
            except SourceNotFoundError as error:
                if request.paths:
                    raise
                # One drive that is not plugged in does not keep the others from being updated.
                tally.fail(scope.root, str(error))
        run = Run(Ledger(catalog, tally), models, request.max_megapixels, request.jobs)
        run.execute(plans, progress or no_progress)
        ensure_background(catalog, models.encoder)
    return tally.report()


def check(request: Request, read_captions: ReadCaptions = read_caption_rows) -> None:
    """Finds a mistake in a request before anything is stored.

    Args:
        request: what is asked for.
        read_captions: reads a caption file.

    Raises:
        SourceNotFoundError: a path is not there.
        UnsupportedFormatError: a path is a file that cannot be searched.
        SettingsError: a pattern names nothing, or the extra for text in photos is missing.
        DatasetError: a caption file cannot be read.
    """
    if request.ocr:
        require_text_reader()
    for path in request.paths:
        discover(path, exclude=request.exclude or ())
    for path in request.caption_files:
        read_captions(path)


def _scopes(catalog: Catalog, request: Request) -> list[Scope]:
    if request.changed is not None:
        return changed_scopes(catalog.sources(), request.changed)
    if not request.paths:
        return [Scope(source) for source in catalog.sources()]
    return [
        scope_of(
            catalog,
            path,
            exclude=request.exclude,
            ocr=request.ocr,
            caption_files=request.caption_files,
        )
        for path in _outermost(request.paths)
    ]


def _plan(
    catalog: Catalog,
    scope: Scope,
    read_captions: ReadCaptions,
    speech: SpeechModels,
    request: Request,
    tally: Tally,
) -> Plan:
    collection = CaptionCollection.of(scope.source.caption_files, read_captions)
    for failure in collection.failed:
        tally.fail(failure.path, failure.reason)
    known = catalog.known_assets(scope.source.id)
    return make_plan(scope, known, collection, speech, request.is_busy)


def _outermost(paths: Sequence[Path]) -> list[Path]:
    """Each path once, and none that lies in another one: no file is looked at twice."""
    once = list(dict.fromkeys(paths))
    return [
        path
        for path in once
        if not any(path != other and path.is_relative_to(other) for other in once)
    ]
