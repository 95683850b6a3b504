"""The catalog's file: its format, and opening it for reading."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from mmsearch.catalog.place import CATALOG_NAME
from mmsearch.errors import IndexFormatError, IndexNotFoundError, StorageError

APPLICATION_ID = 0x6D6D7365
"""``PRAGMA application_id`` of a catalog, the bytes ``mmse``."""

FORMAT_VERSION = 4
"""``PRAGMA user_version``: the newest format that this mmsearch reads and the one it writes."""


def require_catalog(directory: Path) -> None:
    """Tells whether there is a catalog to open.

    Raises:
        IndexNotFoundError: there is none.
        StorageError: the directory may not be looked into.
    """
    try:
        exists = (directory / CATALOG_NAME).is_file()
    except OSError as error:
        raise StorageError(f"The index {directory} cannot be read: {error.strerror}.") from error
    if not exists:
        raise IndexNotFoundError(
            f"There is no index at {directory}: make one with `mmsearch index FOLDER`, "
            "or give another --index."
        )


def check_format(application: int, version: int, *, newest: int = FORMAT_VERSION) -> None:
    """Tells whether a database can be used as a catalog.

    Raises:
        IndexFormatError: it is not a catalog, or a newer mmsearch made it.
    """
    if application != APPLICATION_ID:
        raise IndexFormatError("catalog.sqlite is not a catalog of mmsearch; give another --index.")
    if version > newest:
        raise IndexFormatError(
            f"This index has format {version}, and this mmsearch reads up to {newest}: "
            "upgrade mmsearch, or index into a new directory."
        )


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Opens a catalog for reading, also on media that cannot be written to.

    Reading beside a writer needs SQLite's shared-memory file, which must be writable; where it
    is not, nobody writes here and the file can be read as it is.

    Raises:
        sqlite3.Error: SQLite cannot read it.
    """
    uri = path.absolute().as_uri()
    try:
        return _connect(f"{uri}?mode=rw")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise
        return _connect(f"{uri}?mode=ro&immutable=1")


def _connect(uri: str) -> sqlite3.Connection:
    """Connects and reads a first page, which tells whether that is possible."""
    # A snapshot may be used from the thread that a server runs it in.
    connection = sqlite3.connect(
        uri, uri=True, timeout=30, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA cache_size = -16000")  # kB: inner pages of a million items
    except sqlite3.Error:
        connection.close()
        raise
    return connection
