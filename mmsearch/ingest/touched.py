"""Remembers which files were touched, until they have been quiet for a while."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path


class Touched:
    """Paths that changed and were not looked at since.

    A file is busy while it was touched less than ``settle`` seconds ago, as far as events or its
    own time of change tell: large files are written for minutes, and may stand under their final
    name all the time.

    Args:
        settle: seconds.
    """

    def __init__(self, settle: float) -> None:
        self._settle = settle
        self._at: dict[Path, float] = {}

    def add(self, paths: Iterable[Path]) -> None:
        """These were touched just now."""
        now = time.monotonic()
        for path in paths:
            self._at[path] = now

    def look_at(self, paths: Iterable[Path]) -> None:
        """These are to be looked at as soon as they are quiet, touched or not."""
        for path in paths:
            self._at.setdefault(path, float("-inf"))

    def due(self) -> list[Path]:
        """Takes out those that have been quiet, in order."""
        now = time.monotonic()
        quiet = [path for path, at in self._at.items() if now - at >= self._settle]
        for path in quiet:
            del self._at[path]
        return sorted(quiet)

    def is_busy(self, path: Path, changed_ns: int) -> bool:
        """Whether to leave a file for later; it is then remembered.

        Args:
            path: absolute.
            changed_ns: time of its last change, in nanoseconds since 1970; 0 where it is gone.
        """
        at = self._at.get(path)
        if at is not None:
            return time.monotonic() - at < self._settle
        # Of clocks that go differently, as those of other computers, nothing can be told.
        if 0 <= time.time() - changed_ns / 1e9 < self._settle:
            self._at[path] = time.monotonic()
            return True
        return False
