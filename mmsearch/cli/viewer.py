"""Opens a hit with the system's viewer, at its moment where a player can be told to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmsearch.errors import ViewerError
from mmsearch.items import Hit
from mmsearch.media.formats import MediaKind, kind_of

_SETTLED = 2.0
"""Seconds in which an opener that cannot open anything has failed."""

_PLAYERS = (
    ("mpv", "--force-window", "--start={start:g}", "--", "{path}"),
    ("vlc", "--start-time={start:g}", "{path}"),
)


def open_hit(hit: Hit, *, environ: Mapping[str, str] | None = None) -> bool:
    """Opens the file of a hit and returns at once.

    A moment in a recording or video is opened with mpv or VLC where one of them is installed.

    Args:
        hit: what to open.
        environ: the environment, ``os.environ`` by default.

    Returns:
        Whether it begins at the hit's moment; also True where it has none.

    Raises:
        ViewerError: the file is gone, nobody sits in front of this machine, or nothing opens it.
    """
    environ = os.environ if environ is None else environ
    path = Path(hit.path).absolute()  # absolute: no viewer takes it for an option
    if not path.exists():
        raise ViewerError(f"{path} is not there any more, so it cannot be opened.")
    _require_screen(path, environ)
    start = hit.start or 0.0
    timed = kind_of(path.name) in (MediaKind.RECORDING, MediaKind.VIDEO) and start > 0
    if timed and (player := _player(path, start)) is not None:
        _start(player, path)
        return True
    if sys.platform == "win32":
        os.startfile(path)
    else:
        _start(_opener(path), path)
    return not timed


def _require_screen(path: Path, environ: Mapping[str, str]) -> None:
    has_display = bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))
    if "SSH_CONNECTION" in environ and not has_display:
        raise ViewerError(
            f"{path} cannot be opened: this is an SSH session without a display. "
            "`--pictures` shows pictures in the terminal, `--html FILE` writes a page to take home."
        )
    if sys.platform not in ("win32", "darwin") and not has_display and not _is_wsl(environ):
        raise ViewerError(
            f"{path} cannot be opened: there is no display. `--pictures` shows pictures in the "
            "terminal, `--html FILE` writes a page."
        )


def _is_wsl(environ: Mapping[str, str]) -> bool:
    return "WSL_DISTRO_NAME" in environ


def _player(path: Path, start: float) -> list[str] | None:
    """A command that plays a file from a moment on; None where no such player is installed."""
    for name, *arguments in _PLAYERS:
        if (program := shutil.which(name)) is not None:
            return [program, *(part.format(start=start, path=path) for part in arguments)]
    return None


def _opener(path: Path) -> list[str]:
    """The system's own command that opens a file with what its user has chosen."""
    names = ("open",) if sys.platform == "darwin" else ("xdg-open", "wslview")
    for name in names:
        if (program := shutil.which(name)) is not None:
            return [program, os.fspath(path)]
    raise ViewerError(
        f"{path} cannot be opened: there is no {names[0]} here; install it (the package xdg-utils)."
    )


def _start(command: Sequence[str], path: Path) -> None:
    """Starts a viewer that outlives us, and waits long enough to see it fail."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        code = process.wait(_SETTLED)
    except subprocess.TimeoutExpired:
        process.returncode = 0  # it is looked at; nobody waits for its end
        return
    except OSError as error:
        raise ViewerError(f"{path} cannot be opened: {error.strerror or error}.") from error
    if code != 0:
        name = Path(command[0]).name
        raise ViewerError(f"{path} cannot be opened: {name} failed; is there a viewer for it?")
