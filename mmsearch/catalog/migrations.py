"""Brings an older catalog to the current format, one version at a time.

Each migration is one function and runs in a transaction of its own, together with the new
version number: after a kill the catalog is at the version before or at the version after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from mmsearch.catalog import fulltext
from mmsearch.catalog.file import APPLICATION_ID, FORMAT_VERSION, check_format
from mmsearch.catalog.paths import as_text, decode_path, resolve_source
from mmsearch.catalog.schema import Base

Migration = Callable[[Connection], None]


def _to_2(connection: Connection) -> None:
    """Adds captions, recordings, videos and full text to an index of photos."""
    statements = (
        "ALTER TABLE source ADD COLUMN name VARCHAR DEFAULT '' NOT NULL",
        "ALTER TABLE source ADD COLUMN ocr BOOLEAN DEFAULT '0' NOT NULL",
        "ALTER TABLE asset ADD COLUMN duration DOUBLE",
        "ALTER TABLE asset ADD COLUMN language VARCHAR",
        "ALTER TABLE asset ADD COLUMN companions VARCHAR",
        "ALTER TABLE asset ADD COLUMN captions VARCHAR",
        "ALTER TABLE asset ADD COLUMN reading VARCHAR",
        "ALTER TABLE asset ADD COLUMN read_until DOUBLE",
        "ALTER TABLE item ADD COLUMN origin VARCHAR DEFAULT 'content' NOT NULL",
        "CREATE INDEX item_by_modality ON item (modality)",
        """
        CREATE TABLE caption_file (
            id INTEGER NOT NULL, source_id INTEGER NOT NULL, path VARCHAR NOT NULL,
            PRIMARY KEY (id), UNIQUE (source_id, path),
            FOREIGN KEY(source_id) REFERENCES source (id) ON DELETE CASCADE
        )
        """,
    )
    for statement in statements:
        connection.exec_driver_sql(statement)
    directory = Path(connection.engine.url.database or "").absolute().parent
    for row, path in connection.exec_driver_sql("SELECT id, path FROM source").all():
        name = as_text(resolve_source(decode_path(path), directory).name)
        connection.exec_driver_sql("UPDATE source SET name = ? WHERE id = ?", (name, row))
    for statement in (*fulltext.CREATE_STATEMENTS, *fulltext.FILL_STATEMENTS):
        connection.exec_driver_sql(statement)


def _to_3(connection: Connection) -> None:
    """Adds fingerprints of photos; none is there until the photos are read again."""
    connection.exec_driver_sql(
        """
        CREATE TABLE fingerprint (
            asset_id INTEGER NOT NULL, data BLOB NOT NULL,
            PRIMARY KEY (asset_id),
            FOREIGN KEY(asset_id) REFERENCES asset (id) ON DELETE CASCADE
        )
        """
    )


def _to_4(connection: Connection) -> None:
    """Adds embeddings of texts in general; the next indexing run makes them."""
    connection.exec_driver_sql(
        """
        CREATE TABLE background (
            encoder_id INTEGER NOT NULL, texts VARCHAR NOT NULL, vectors BLOB NOT NULL,
            PRIMARY KEY (encoder_id),
            FOREIGN KEY(encoder_id) REFERENCES encoder (id) ON DELETE CASCADE
        )
        """
    )


MIGRATIONS: Mapping[int, Migration] = {1: _to_2, 2: _to_3, 3: _to_4}
"""From a format version to the next."""


def create_tables(engine: Engine) -> None:
    """Lays out an empty catalog in the current format."""
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        for statement in fulltext.CREATE_STATEMENTS:
            connection.exec_driver_sql(statement)
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
