"""Says in our words what SQLite says in its own."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from mmsearch.errors import (
    IndexDamagedError,
    IndexFormatError,
    IndexLockedError,
    StorageError,
)


def as_storage_error(error: sqlite3.Error, directory: Path) -> StorageError:
    """The error of ours that says what happened to the catalog and what to do."""
    message = str(error)
    if "disk is full" in message:
        return StorageError(
            f"The disk that holds {directory} is full. Everything committed so far is kept: "
            "free some space and run the same command again."
        )
    if "disk I/O error" in message:
        return StorageError(
            f"The disk that holds {directory} reports an error: it may be full or failing. "
            "Everything committed so far is kept: run the same command again when it is well."
        )
    if "locked" in message:
        return IndexLockedError(
            f"Another process holds the catalog of {directory}; try again when it is done."
        )
    if "not a database" in message:
        return IndexFormatError(f"{directory} holds a catalog.sqlite that is not a database.")
    if "malformed" in message or "no such table" in message:
        return IndexDamagedError(
            f"The catalog of {directory} is damaged ({message}). Restore it from a backup, or "
            "delete the directory and index the photos again."
        )
    if "closed database" in message:
        return StorageError(f"The index {directory} was closed; open it again.")
    return StorageError(f"The catalog of {directory} cannot be used: {message}.")
