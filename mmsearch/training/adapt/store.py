"""Stores a named encoder: all of it or nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmsearch.encoders import named
from mmsearch.errors import TrainingError


def check_free(name: str, *, replace: bool) -> None:
    """Tells whether an encoder can be stored under a name.

    Raises:
        EncoderError: it is no valid name.
        TrainingError: the name is taken, and what has it is not to be replaced.
    """
    named.check_name(name)
    folder = named.folder_of(name)
    if os.path.lexists(folder) and not replace:
        raise TrainingError(
            f"There is an encoder named {name!r} already, at {folder}. Choose another name, or "
            "give --force to replace it; indexes that it made must then be encoded again."
        )


def check_writable(name: str) -> None:
    """Tells whether anything can be written where an encoder of a valid name is to be stored.

    Raises:
        TrainingError: nothing can.
    """
    _folder_beside(named.folder_of(name)).rmdir()


@contextmanager
def new_encoder(name: str, *, replace: bool) -> Iterator[Path]:
    """Yields a folder to write an encoder into, which has its name once that is done.

    Whatever ends the block early, Ctrl-C included, leaves nothing behind.

    Raises:
        TrainingError: as `check_free`, or the folder of encoders cannot be written to.
    """
    check_free(name, replace=replace)
    folder = named.folder_of(name)
    beside = _folder_beside(folder)
    try:
        yield beside
        _flush(beside)
        check_free(name, replace=replace)  # somebody may have been quicker
        _put(beside, folder)
    except OSError as error:
        raise TrainingError(f"The encoder cannot be stored in {folder}: {error}.") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _put(beside: Path, folder: Path) -> None:
    """Gives a folder its name; what has had it goes only then."""
    beside.chmod(0o755)  # a temporary folder is its maker's alone
    if not os.path.lexists(folder):
        beside.rename(folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.old.", dir=folder.parent))
    away = old / folder.name
    try:
        folder.rename(away)
        beside.rename(folder)
    except BaseException:
        if os.path.lexists(away) and not os.path.lexists(folder):
            away.rename(folder)
        with suppress(OSError):  # it still holds the only copy
            old.rmdir()
        raise
    shutil.rmtree(old, ignore_errors=True)


def _folder_beside(folder: Path) -> Path:
    """Makes a hidden folder next to that of an encoder."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise TrainingError(
            f"Encoders cannot be stored in {folder.parent}: {error.strerror}. MMSEARCH_ENCODERS "
            "names another folder."
        ) from error


def _flush(folder: Path) -> None:
    """Has the system write the files of a folder to the disk, before they replace others."""
    for path in folder.rglob("*"):
        if path.is_file():
            # Windows flushes only what may be written, and a copied file may not be
            with suppress(PermissionError), path.open("rb+") as file:
                os.fsync(file.fileno())
