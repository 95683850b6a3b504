"""Writes results so that a file is there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from mmsearch.errors import OutputError


def require_folder_of(path: Path) -> None:
    """Tells, before anything is measured for it, whether a file can be written.

    Raises:
        OutputError: its folder is not there, or it is a folder itself.
    """
    if not path.absolute().parent.is_dir():
        raise OutputError(f"{path} cannot be written: there is no folder {path.parent}.")
    if path.is_dir():
        raise OutputError(f"{path} cannot be written: it is a folder; name a file in it.")


def write_file(path: Path, content: bytes) -> None:
    """Writes a file, or replaces it; it appears when it is complete.

    Raises:
        OutputError: it cannot be written.
    """
    # A name of its own: two runs may write the same file.
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        unfinished.unlink(missing_ok=True)
