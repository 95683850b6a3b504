"""The paths that are watched: which are there, and which of them report their changes."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from mmsearch.ingest.drives import Identity, identity, is_remote

_log = logging.getLogger(__name__)


class Roots:
    """Folders and files that are watched. A single file is looked at instead of listened to.

    Args:
        folders: gives the sources; asked at each look.
        files: gives further files that sources depend on: caption files.
    """

    def __init__(
        self, sources: Callable[[], Sequence[Path]], files: Callable[[], Sequence[Path]]
    ) -> None:
        self._sources = sources
        self._files = files
        self._states: dict[Path, tuple[Identity, int, int]] = {}
        self._missing: set[Path] = set()
        self.all: tuple[Path, ...] = ()

    def look(self) -> set[Path]:
        """Looks at them again.

        Returns:
            Those that came, came back, were replaced, or are files that changed; those that are
            gone are not among them.
        """
        self.all = tuple(self._sources())
        states = {path: state for path in (*self.all, *self._files()) if (state := _state(path))}
        changed = {path for path, state in states.items() if self._states.get(path) != state}
        self._tell_missing({path for path in self.all if path not in states})
        self._states = states
        return changed

    def local_folders(self) -> dict[Path, Identity]:
        """The folders that are there and whose changes the system knows, with what they are."""
        return {
            path: self._states[path][0]
            for path in self.all
            if path in self._states
            and os.path.isdir(path)  # noqa: PTH112 - never raises
            and not is_remote(path)
        }

    def _tell_missing(self, missing: set[Path]) -> None:
        for path in sorted(missing - self._missing):
            _log.warning(
                "%s is not there; what is indexed of it stays, and it is watched when it is back.",
                path,
            )
        for path in sorted(self._missing - missing):
            _log.warning("%s is back.", path)
        self._missing = missing


def _state(path: Path) -> tuple[Identity, int, int] | None:
    """What tells a folder from another one, and of a file also whether it changed."""
    found = identity(path)
    if found is None:
        return None
    try:
        status = path.stat()
        return (found, 0, 0) if path.is_dir() else (found, status.st_size, status.st_mtime_ns)
    except OSError:
        return None
