"""Counts what a run does."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from mmsearch.items import Failure, IndexReport


@dataclass(slots=True)
class Tally:
    """Counts assets and items while a run goes on."""

    added: int = 0
    updated: int = 0
    removed: int = 0
    unchanged: int = 0
    items: int = 0
    failed: dict[Path, str] = field(default_factory=dict)
    other_kinds: Counter[str] = field(default_factory=Counter)
    unmatched_captions: int = 0
    started: float = field(default_factory=time.monotonic)

    def fail(self, path: Path, reason: str) -> None:
        """Counts a file that could not be read, once: a companion may belong to several files."""
        self.failed[path] = reason

    def report(self) -> IndexReport:
        """The counts as they stand."""
        seconds = time.monotonic() - self.started
        return IndexReport(
            added=self.added,
            updated=self.updated,
            removed=self.removed,
            unchanged=self.unchanged,
            failed=tuple(Failure(path, reason) for path, reason in self.failed.items()),
            other_kinds=dict(self.other_kinds.most_common()),
            unmatched_captions=self.unmatched_captions,
            seconds=seconds,
            items_per_second=self.items / seconds if seconds > 0 else 0.0,
        )
