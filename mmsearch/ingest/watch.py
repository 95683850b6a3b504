"""Keeps an index current while files change.

    events of the system ──> what was touched, and when ──> quiet for a while ──> an indexing run
    looks at roots, at network drives and at everything ──┘

Nothing rests on events being complete. A run compares folders with the catalog, so that an event
only says where to look; everything is looked at when watching begins and from time to time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from mmsearch.catalog.reader import CatalogReader
from mmsearch.errors import IndexLockedError, MmsearchError
from mmsearch.index import IndexDirectory
from mmsearch.ingest.events import Events
from mmsearch.ingest.pipeline import Request
from mmsearch.ingest.roots import Roots
from mmsearch.ingest.run import Progress
from mmsearch.ingest.touched import Touched
from mmsearch.items import Failure, IndexReport

Update: TypeAlias = Callable[[Request], IndexReport]
"""Brings the index up to date with what a request names."""

Through: TypeAlias = Callable[[Callable[[Progress | None], IndexReport]], IndexReport]
"""Calls what it is given, at its time, with what is to be told the progress; returns the report."""

_LOOK = 3.0  # seconds from one look at the roots to the next
_LOCKED = 3.0  # seconds until the next try while another process writes
_TROUBLE = 60.0  # seconds until the next try after any other failure
_LONGEST_PAUSE = 30.0  # seconds that one run waits after another at most

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How watching is paced, in seconds.

    Attributes:
        settle: how long a file must not have changed before it is read.
        poll: from one look at drives that report no changes to the next.
        check: from one look at everything to the next, for changes that were not reported.
    """

    settle: float = 2.0
    poll: float = 60.0
    check: float = 3600.0


def at_once(run: Callable[[Progress | None], IndexReport]) -> IndexReport:
    """Makes a run without waiting or showing anything."""
    return run(None)


def watch_index(
    directory: IndexDirectory,
    update: Update,
    paths: Sequence[Path],
    request: Request,
    *,
    pace: Pace,
    polling: bool,
    stop: threading.Event,
) -> Iterator[IndexReport]:
    """Brings an index up to date and keeps it so, until it is told to stop.

    Args:
        directory: the index.
        update: makes a run; called in the thread that iterates.
        paths: absolute paths of folders and files; none means all sources of the index, also
            those that come later.
        request: what runs have in common.
        pace: how often things are looked at.
        polling: no events are asked for; everything is looked at every ``pace.poll`` seconds.
        stop: ends it, between runs.

    Yields:
        The report of the first run, and of each one that changed something. Its ``failed`` are
        those that were not reported before.

    Raises:
        MmsearchError: the first run fails. Later failures are notices, and tried again; a run
            waits, at first too, while another process is writing to the index.
    """
    roots = Roots(
        lambda: paths or _read(directory, CatalogReader.sources),
        lambda: _read(directory, CatalogReader.caption_files),
    )
    watch = _Watch(roots, update, request, pace)
    with closing(Events(directory.path, stop)) as events:
        roots.look()
        if not polling:
            events.listen(roots.local_folders())
        yield watch.first(paths, stop)
        while not stop.is_set():
            watch.touched.add(events.wait())
            watch.look_when_due(events, listens=not polling)
            report = watch.run_when_due()
            if report is not None:
                yield report


def _read(
    directory: IndexDirectory, what: Callable[[CatalogReader], Mapping[int, Path]]
) -> tuple[Path, ...]:
    with directory.reading() as reader:
        return tuple(what(reader).values())


class _Watch:
    """Decides when a run is due, and what it looks at."""

    def __init__(self, roots: Roots, update: Update, request: Request, pace: Pace) -> None:
        self._roots = roots
        self._update = update
        self._request = request
        self._pace = pace
        self._told: set[Failure] = set()
        self._not_before = 0.0
        self._looked_at = self._polled_at = self._checked_at = time.monotonic()
        self._is_locked = False
        self.touched = Touched(pace.settle)

    def first(self, paths: Sequence[Path], stop: threading.Event) -> IndexReport:
        """Brings everything up to date, as soon as the index can be written to."""
        while True:
            try:
                return self._run(replace(self._request, paths=paths))
            except IndexLockedError:
                self._tell_locked()
                if stop.wait(_LOCKED):
                    raise

    def look_when_due(self, events: Events, *, listens: bool) -> None:
        """Looks for changes that are not reported, where it is time for that."""
        now = time.monotonic()
        if now - self._looked_at < _LOOK:
            return
        self._looked_at = now
        self.touched.add(self._roots.look())
        if listens and events.listen(self._roots.local_folders()):
            self.touched.look_at(self._roots.all)
        if now - self._checked_at >= self._pace.check:
            self._checked_at = self._polled_at = now
            self.touched.look_at(self._roots.all)
        elif now - self._polled_at >= self._pace.poll:
            self._polled_at = now
            self.touched.look_at(set(self._roots.all) - events.folders)

    def run_when_due(self) -> IndexReport | None:
        """Makes a run where something is quiet; None where nothing came of it."""
        if time.monotonic() < self._not_before or not (due := self.touched.due()):
            return None
        try:
            report = self._run(replace(self._request, changed=tuple(due)))
        except IndexLockedError:
            self._tell_locked()
            self._try_again(due, _LOCKED)
            return None
        except MmsearchError as error:
            _log.warning("%s Tried again in a minute.", error)
            self._try_again(due, _TROUBLE)
            return None
        changed = report.added or report.updated or report.removed or report.failed
        return report if changed else None

    def _run(self, request: Request) -> IndexReport:
        """Makes a run, and a pause as long after it, so that others get their turn."""
        began = time.monotonic()
        report = self._update(replace(request, is_busy=self.touched.is_busy))
        ended = time.monotonic()
        self._is_locked = False
        self._not_before = ended + min(ended - began, _LONGEST_PAUSE)
        new = tuple(failure for failure in report.failed if failure not in self._told)
        self._told.update(new)
        return replace(report, failed=new)

    def _tell_locked(self) -> None:
        if not self._is_locked:
            _log.warning("Another process is writing to the index; changes wait until it ends.")
        self._is_locked = True

    def _try_again(self, due: Sequence[Path], after: float) -> None:
        self.touched.look_at(due)
        self._not_before = time.monotonic() + after
