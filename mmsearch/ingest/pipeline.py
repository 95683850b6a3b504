"""One indexing run: brings an index up to date with folders and files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mmsearch.encoders.base import DualEncoder
from mmsearch.errors import SourceNotFoundError
from mmsearch.index import IndexDirectory
from mmsearch.ingest.plan import make_plan
from mmsearch.ingest.run import Progress, Run, no_progress
from mmsearch.ingest.sources import Scope, scope_of
from mmsearch.ingest.tally import Tally
from mmsearch.items import Failure, IndexReport
from mmsearch.media.discover import discover


def update_index(
    directory: IndexDirectory,
    load_encoder: Callable[[], DualEncoder],
    paths: Sequence[Path],
    *,
    exclude: Sequence[str] | None,
    max_megapixels: float,
    progress: Progress | None = None,
) -> IndexReport:
    """Brings an index up to date with folders and files.

    What is committed stays, whatever happens to the process: at most the photos since the last
    commit (64 of them, or two seconds) are lost, and the next run goes on from there.

    Args:
        directory: the index.
        load_encoder: gives the encoder that the index was made with; called only if there is
            something to encode.
        paths: absolute paths of folders and files; none means all known sources, of which those
            that are not there are reported as failed and left as they are.
        exclude: glob patterns to leave out of these sources from now on; None keeps theirs.
        max_megapixels: larger images are recorded as failures.
        progress: told after each file.

    Raises:
        SourceNotFoundError: a path is not there; nothing was changed.
        UnsupportedFormatError: a path is a file, but not a photo; nothing was changed.
        SettingsError: a pattern names nothing; nothing was changed.
        IndexLockedError: another process is writing to the index.
    """
    tally = Tally()
    with directory.writing() as catalog:
        if paths:
            for path in paths:  # a mistake is found before anything is stored
                discover(path, exclude=exclude or ())
            scopes = [scope_of(catalog, path, exclude) for path in _outermost(paths)]
        else:
            scopes = [Scope(source) for source in catalog.sources()]
        plans = []
        for scope in scopes:
            try:
                plans.append(make_plan(scope, catalog.known_assets(scope.source.id)))
            except SourceNotFoundError as error:
                if paths:
                    raise
                # One drive that is not plugged in does not keep the others from being updated.
                tally.failed.append(Failure(scope.root, str(error)))
        run = Run(catalog, load_encoder, max_megapixels, tally)
        run.execute(plans, progress or no_progress)
    return tally.report()


def _outermost(paths: Sequence[Path]) -> list[Path]:
    """Each path once, and none that lies in another one: no file is looked at twice."""
    once = list(dict.fromkeys(paths))
    return [
        path
        for path in once
        if not any(path != other and path.is_relative_to(other) for other in once)
    ]
