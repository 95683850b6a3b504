"""Writes results so that a file is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from mmsearch.errors import OutputError


def require_folder_of(path: Path) -> None:
    """Tells, before anything is measured for it, whether a file can be written.

    Raises:
        OutputError: its folder is not there, it is a folder itself, or no possible name.
    """
    try:
        in_folder, is_folder = path.absolute().parent.is_dir(), path.is_dir()
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
    if not in_folder:
        raise OutputError(f"{path} cannot be written: there is no folder {path.parent}.")
    if is_folder:
        raise OutputError(f"{path} cannot be written: it is a folder; name a file in it.")


def write_file(path: Path, parts: Iterable[bytes]) -> None:
    """Writes a file, or replaces it; it appears when it is complete.

    A link stays one, and what is no file, a pipe for instance, is written to, not replaced.

    Args:
        path: the file.
        parts: what is in it, asked for one after another.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as file:
                file.writelines(parts)
        else:
            _replace(path.resolve(), parts)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error


def _replace(path: Path, parts: Iterable[bytes]) -> None:
    # A name of its own: two runs may write the same file. Short: the file's may be the longest.
    unfinished = path.with_name(f".{uuid4().hex}.new")
    try:
        with unfinished.open("xb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
