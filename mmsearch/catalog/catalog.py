"""Writing to the catalog, and the bookkeeping reads that writing needs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import URL, Connection, Engine, create_engine, event, select, update
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from mmsearch.catalog.failures import as_storage_error
from mmsearch.catalog.file import require_catalog
from mmsearch.catalog.migrations import create_tables, migrate
from mmsearch.catalog.paths import resolve_source
from mmsearch.catalog.place import CATALOG_NAME
from mmsearch.catalog.records import (
    STORED_DTYPE,
    ContentKey,
    FileState,
    ItemToEncode,
    KnownAsset,
    Origin,
    Source,
    StoredEncoder,
    StoredItem,
)
from mmsearch.catalog.schema import (
    AssetRow,
    BackgroundRow,
    CaptionFileRow,
    EmbeddingRow,
    EncoderRow,
    IndexInfoRow,
    ItemRow,
    SourceRow,
)
from mmsearch.catalog.transaction import Transaction
from mmsearch.items import Modality


class Catalog:
    """The catalog of one index directory, open for writing.

    The caller holds the index's lock: there is one writer at a time. Every change goes through
    `transaction`, which is all or nothing.
    """

    def __init__(self, directory: Path) -> None:
        """Opens an existing catalog and brings it to the current format.

        Raises:
            IndexNotFoundError: there is none.
            IndexFormatError: a newer mmsearch made it, or it is no catalog.
            IndexDamagedError: SQLite cannot read it.
        """
        require_catalog(directory)
        self._directory = directory
        self._engine = _connect(directory / CATALOG_NAME, journal="WAL")
        try:
            with _reading_errors(directory):
                migrate(self._engine)
        except BaseException:
            self._engine.dispose()
            raise

    @classmethod
    def create(cls, directory: Path, encoder: StoredEncoder) -> Catalog:
        """Makes an empty catalog for an encoder's embeddings.

        Raises:
            StorageError: the disk is full, or cannot be written to.
        """
        # Made under another name: a catalog without its first rows is never seen. And without a
        # write-ahead log, which the new name would leave behind.
        finished = directory / CATALOG_NAME
        unfinished = directory / (CATALOG_NAME + ".new")
        _delete_database(unfinished)
        engine = _connect(unfinished, journal="DELETE")
        try:
            with _reading_errors(directory):
                create_tables(engine)
                with Session(engine) as session, session.begin():
                    row = _encoder_row(encoder)
                    session.add(row)
                    session.flush()
                    now = datetime.now(UTC).isoformat(timespec="microseconds")
                    session.add(
                        IndexInfoRow(id=1, generation=1, created_at=now, active_encoder=row.id)
                    )
            engine.dispose()
            _delete_database(finished)  # the log of one that was deleted would be played back
            unfinished.replace(finished)
        finally:
            engine.dispose()
            _delete_database(unfinished)
        return cls(directory)

    def close(self) -> None:
        """Closes the database; SQLite folds its write-ahead log back into the file."""
        self._engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One atomic change of the catalog, as the next generation."""
        with self._session() as session, session.begin():
            active = session.scalars(select(IndexInfoRow.active_encoder)).one()
            yield Transaction(session, self._directory, active)
            session.execute(update(IndexInfoRow).values(generation=IndexInfoRow.generation + 1))

    def sources(self) -> list[Source]:
        """All sources, in the order they were added."""
        with self._session() as session:
            caption_files: dict[int, list[Path]] = {}
            for file in session.scalars(select(CaptionFileRow).order_by(CaptionFileRow.id)):
                path = resolve_source(file.path, self._directory)
                caption_files.setdefault(file.source_id, []).append(path)
            return [
                Source(
                    id=row.id,
                    path=resolve_source(row.path, self._directory),
                    exclude=tuple(row.exclude),
                    ocr=row.ocr,
                    caption_files=tuple(caption_files.get(row.id, ())),
                )
                for row in session.scalars(select(SourceRow).order_by(SourceRow.id))
            ]

    def known_assets(self, source_id: int) -> dict[str, KnownAsset]:
        """Everything known of the files of one source, by path."""
        query = select(
            AssetRow.id,
            AssetRow.failure,
            AssetRow.failure_kind,
            AssetRow.path,
            AssetRow.size,
            AssetRow.mtime_ns,
            AssetRow.content_hash,
            AssetRow.companions,
            AssetRow.captions,
            AssetRow.reading,
            AssetRow.read_until,
        ).where(AssetRow.source_id == source_id)
        with self._session() as session:
            return {
                state[0]: KnownAsset(asset, FileState(*state), failure, kind)
                for asset, failure, kind, *state in session.execute(query)
            }

    def readable_contents(self) -> dict[ContentKey, int]:
        """Which asset holds which content, wholly read."""
        query = (
            select(
                AssetRow.content_hash, AssetRow.reading, AssetRow.path, SourceRow.name, AssetRow.id
            )
            .join(SourceRow, SourceRow.id == AssetRow.source_id)
            .where(
                AssetRow.failure.is_(None),
                AssetRow.read_until.is_(None),
            )
            .order_by(AssetRow.id.desc())
        )
        with self._session() as session:
            return {
                ContentKey.of(content, reading, source if path == "." else path): row
                for content, reading, path, source, row in session.execute(query)
                if content is not None
            }

    def items_of(self, asset_id: int) -> list[StoredItem]:
        """The items of an asset, in order of their ids."""
        query = select(ItemRow).where(ItemRow.asset_id == asset_id).order_by(ItemRow.id)
        with self._session() as session:
            return [
                StoredItem(
                    row.id, Modality(row.modality), row.text, row.start, row.end, Origin(row.origin)
                )
                for row in session.scalars(query)
            ]

    def collection_items(self, source_id: int) -> list[tuple[int, str, str]]:
        """What caption files say of the files of a source: item ids, paths and texts."""
        query = (
            select(ItemRow.id, AssetRow.path, ItemRow.text)
            .join(AssetRow, AssetRow.id == ItemRow.asset_id)
            .where(AssetRow.source_id == source_id, ItemRow.origin == Origin.COLLECTION.value)
        )
        with self._session() as session:
            return [(item, path, text or "") for item, path, text in session.execute(query)]

    def begin_encoder(self, encoder: StoredEncoder) -> int:
        """Registers an encoder that the index will change to; returns its row id.

        One that was left unfinished earlier goes on where it stopped; any other unfinished one
        is dropped.
        """
        with self._session() as session, session.begin():
            active = session.scalars(select(IndexInfoRow.active_encoder)).one()
            for row in session.scalars(select(EncoderRow).where(EncoderRow.id != active)):
                if row.encoder_id == encoder.id:
                    return row.id
                session.delete(row)
            row = _encoder_row(encoder)
            session.add(row)
            session.flush()
            return row.id

    def put_encoder_spec(self, spec: str) -> None:
        """Notes under which name the active encoder is found from now on."""
        active = select(IndexInfoRow.active_encoder).scalar_subquery()
        with self._session() as session, session.begin():
            session.execute(update(EncoderRow).where(EncoderRow.id == active).values(spec=spec))

    def has_items(self) -> bool:
        """Whether anything is searchable."""
        with self._session() as session:
            return session.scalars(select(ItemRow.id).limit(1)).first() is not None

    def background_id(self) -> str | None:
        """Which set of background texts is embedded under the active encoder, if any is."""
        query = select(BackgroundRow.texts).join(
            IndexInfoRow, IndexInfoRow.active_encoder == BackgroundRow.encoder_id
        )
        with self._session() as session:
            return session.scalars(query).one_or_none()

    def put_background(self, texts: str, vectors: NDArray[np.floating[Any]]) -> None:
        """Stores the embeddings of a set of background texts under the active encoder.

        Args:
            texts: names the set.
            vectors: shape (texts, dim).
        """
        data = vectors.astype(STORED_DTYPE).tobytes()
        with self._session() as session, session.begin():
            active = session.scalars(select(IndexInfoRow.active_encoder)).one()
            session.merge(BackgroundRow(encoder_id=active, texts=texts, vectors=data))

    def items_to_encode(self, encoder_row: int) -> list[ItemToEncode]:
        """The items that have no embedding under this encoder, in order of their ids."""
        encoded = select(EmbeddingRow.item_id).where(EmbeddingRow.encoder_id == encoder_row)
        query = (
            select(
                ItemRow.id,
                ItemRow.asset_id,
                SourceRow.path,
                AssetRow.path,
                ItemRow.modality,
                AssetRow.content_hash,
                ItemRow.text,
                ItemRow.start,
                ItemRow.end,
            )
            .join(AssetRow, AssetRow.id == ItemRow.asset_id)
            .join(SourceRow, SourceRow.id == AssetRow.source_id)
            .where(ItemRow.id.not_in(encoded))
            .order_by(ItemRow.id)
        )
        with self._session() as session:
            return [
                ItemToEncode(
                    id=item,
                    asset_id=asset,
                    path=resolve_source(source, self._directory) / path,
                    modality=Modality(modality),
                    content_hash=content,
                    text=text,
                    start=start,
                    end=end,
                )
                for item, asset, source, path, modality, content, text, start, end in (
                    session.execute(query)
                )
            ]

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with _reading_errors(self._directory), Session(self._engine) as session:
            yield session


@contextmanager
def _reading_errors(directory: Path) -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        if isinstance(error.orig, sqlite3.Error):
            raise as_storage_error(error.orig, directory) from error
        raise


def _delete_database(path: Path) -> None:
    """Deletes a database file and what SQLite keeps beside it, as far as they are there."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _connect(path: Path, *, journal: str) -> Engine:
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        # Python's driver would begin transactions late and leave table changes out of them.
        connection.isolation_level = None
        connection.execute(f"PRAGMA journal_mode = {journal}")
        # FULL: a commit is on the disk when it returns, also through a power cut.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def _encoder_row(encoder: StoredEncoder) -> EncoderRow:
    return EncoderRow(
        encoder_id=encoder.id,
        spec=encoder.spec,
        name=encoder.name,
        revision=encoder.revision,
        transform=dict(encoder.transform),
        dim=encoder.dim,
    )
