"""What the operating system reports of changes below some folders (watchfiles)."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mmsearch.ingest.drives import Identity
from mmsearch.media.companions import COMPANION_SUFFIXES
from mmsearch.media.formats import MEDIA_KINDS, suffix_of

if TYPE_CHECKING:
    from watchfiles import Change

_Reports: TypeAlias = "Generator[set[tuple[Change, str]], None, None]"

_TICK_MS = 500  # until waiting ends although nothing happened
_GROUP_MS = 400  # over which changes are reported together
_STEP_MS = 50  # without a change, that end a group

_log = logging.getLogger(__name__)


class Events:
    """Reports of changes below folders.

    Args:
        leave_out: absolute path of a folder of which nothing is told: the index, whose own
            changes would have it looked at for ever.
        stop: ends `wait`.
    """

    def __init__(self, leave_out: Path, stop: threading.Event) -> None:
        self._leave_out = leave_out
        self._stop = stop
        self._folders: dict[Path, Identity] = {}
        self._reports: _Reports | None = None
        self._heard: set[Path] = set()

    @property
    def folders(self) -> set[Path]:
        """The folders that are listened to."""
        return set(self._folders) if self._reports is not None else set()

    def listen(self, folders: Mapping[Path, Identity]) -> bool:
        """Listens to these folders from now on.

        Args:
            folders: absolute paths, and what tells the folder under a path from another one.

        Returns:
            Whether anything may have been missed: listening began anew, or cannot begin.
        """
        if self._folders == folders:
            return False
        self.close()
        self._folders = dict(folders)
        if folders:
            self._reports = self._begin(folders)
        return True

    def wait(self) -> set[Path]:
        """Waits a moment for changes.

        Returns:
            Absolute paths of files and folders that came, went or changed; possibly none.
        """
        heard, self._heard = self._heard, set()
        if heard:
            return heard
        if self._reports is None:
            self._stop.wait(_TICK_MS / 1000)
            return set()
        try:
            return self._relevant(next(self._reports, set()))
        except (OSError, RuntimeError) as error:  # such as too many folders, now that one came
            self._give_up(error)
            return set()

    def close(self) -> None:
        """Ends listening."""
        if self._reports is not None:
            self._reports.close()
            self._reports = None

    def _begin(self, folders: Iterable[Path]) -> _Reports | None:
        """Begins to listen; None where the system does not let us."""
        from watchfiles import watch

        reports = watch(
            *folders,
            watch_filter=None,
            debounce=_GROUP_MS,
            step=_STEP_MS,
            rust_timeout=_TICK_MS,
            yield_on_timeout=True,
            stop_event=self._stop,
            force_polling=False,
            ignore_permission_denied=True,
        )
        try:
            self._heard = self._relevant(next(reports, set()))  # begins with the first step
        except (OSError, RuntimeError) as error:
            self._give_up(error)
            return None
        return reports

    def _give_up(self, error: Exception) -> None:
        self.close()
        _log.warning(
            "The system does not report changes (%s), so that they are looked for from time to "
            "time.",
            error,
        )

    def _relevant(self, reports: Iterable[tuple[Change, str]]) -> set[Path]:
        from watchfiles import Change

        relevant = set()
        for change, name in reports:
            path = self._as_named(Path(name))
            if path is not None and _matters(path, gone=change is Change.deleted):
                relevant.add(path)
        return relevant

    def _as_named(self, path: Path) -> Path | None:
        """A path as the user named the folder that it is in; None for what is left out."""
        for folder in self._folders:
            if path.is_relative_to(folder):
                break
            real = Path(os.path.realpath(folder))
            if path.is_relative_to(real):  # so macOS reports
                path = folder / path.relative_to(real)
                break
        else:
            return None
        is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        return None if is_hidden or path.is_relative_to(self._leave_out) else path


def _matters(path: Path, *, gone: bool) -> bool:
    """Whether a change can be one of what is indexed: of media, companions and folders."""
    suffix = suffix_of(path.name)
    is_media = suffix in MEDIA_KINDS or suffix in COMPANION_SUFFIXES
    return is_media or gone or os.path.isdir(path)  # noqa: PTH112 - never raises
