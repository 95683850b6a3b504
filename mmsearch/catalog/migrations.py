"""Brings an older catalog to the current format, one version at a time.

Each migration is one function and runs in a transaction of its own, together with the new
version number: after a kill the catalog is at the version before or at the version after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Connection, Engine, text

from mmsearch.catalog.reader import APPLICATION_ID, FORMAT_VERSION, check_format
from mmsearch.catalog.schema import Base

Migration = Callable[[Connection], None]

MIGRATIONS: Mapping[int, Migration] = {}
"""From a format version to the next; version 1 is the first, so there are none yet."""


def create_tables(engine: Engine) -> None:
    """Lays out an empty catalog in the current format."""
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        connection.execute(text(f"PRAGMA application_id = {APPLICATION_ID}"))
        connection.execute(text(f"PRAGMA user_version = {FORMAT_VERSION}"))


def migrate(
    engine: Engine,
    *,
    target: int = FORMAT_VERSION,
    migrations: Mapping[int, Migration] = MIGRATIONS,
) -> None:
    """Runs the migrations that lead from the catalog's version to ``target``.

    Raises:
        IndexFormatError: the database is not a catalog, or a newer mmsearch made it.
    """
    with engine.connect() as connection:
        application = connection.execute(text("PRAGMA application_id")).scalar_one()
        version = connection.execute(text("PRAGMA user_version")).scalar_one()
    check_format(application, version, newest=target)
    for step in range(version, target):
        with engine.begin() as connection:
            migrations[step](connection)
            connection.execute(text(f"PRAGMA user_version = {step + 1}"))
