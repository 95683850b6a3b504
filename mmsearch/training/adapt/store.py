"""Stores a named encoder: all of it or nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def new_encoder(name: str, *, replace: bool) -> Iterator[Path]:
    """Yields a folder to write an encoder into, which has its name once that is done.

    Whatever ends the block early, Ctrl-C included, leaves nothing behind.

    Raises:
        TrainingError: as `check_free`, or the folder of encoders cannot be written to.
    """
    check_free(name, replace=replace)
    folder = named.folder_of(name)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=folder.parent))
    except OSError as error:
        raise TrainingError(
            f"Encoders cannot be stored in {folder.parent}: {error.strerror}. MMSEARCH_ENCODERS "
            "names another folder."
        ) from error
    try:
        yield beside
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
    folder.rename(old / folder.name)
    try:
        beside.rename(folder)
    except BaseException:
        (old / folder.name).rename(folder)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
