"""The tables of the catalog.

    index_info 1 ── 1 encoder (the active one)
    source 1 ── n asset 1 ── n item 1 ── n embedding n ── 1 encoder 1 ── 0..1 background
    asset 1 ── 0..1 fingerprint
    source 1 ── n caption_file

The words of items and paths are in full-text tables: see `mmsearch.catalog.fulltext`.

Item ids are never used twice (AUTOINCREMENT) and an item's embedding never changes: new content
makes a new item. So a vector store that is behind the catalog lacks exactly the items with higher
ids than its own and holds exactly those too many that the catalog has no longer.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, TypeDecorator, UniqueConstraint
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from mmsearch.catalog.paths import decode_path, encode_path


class FilePath(TypeDecorator[str]):
    """A path as ``str``; names that are not UTF-8 survive (see `mmsearch.catalog.paths`)."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        """Encodes for SQLite."""
        return None if value is None else encode_path(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        """Decodes what SQLite gave."""
        return None if value is None else decode_path(value)


class Base(DeclarativeBase):
    """Base of all tables."""


class EncoderRow(Base):
    """An encoder that made embeddings here: the active one, and one being changed to."""

    __tablename__ = "encoder"

    id: Mapped[int] = mapped_column(primary_key=True)
    encoder_id: Mapped[str] = mapped_column(unique=True)
    spec: Mapped[str]
    name: Mapped[str]
    revision: Mapped[str]
    transform: Mapped[dict[str, Any]] = mapped_column(JSON)
    dim: Mapped[int]


class IndexInfoRow(Base):
    """Facts about the index as a whole; always one row.

    ``generation`` grows by one with every commit; the vector store carries the one it was
    made from.
    """

    __tablename__ = "index_info"

    id: Mapped[int] = mapped_column(primary_key=True)
    generation: Mapped[int]
    created_at: Mapped[str]
    active_encoder: Mapped[int] = mapped_column(ForeignKey("encoder.id"))


class SourceRow(Base):
    """A folder or file that the user asked to index.

    ``path`` is absolute, or relative to the index directory where both lie in one folder and
    so can move together; ``name`` is its last part, for full text. ``exclude`` holds the glob
    patterns to leave out, ``ocr`` whether the text in its photos is read.
    """

    __tablename__ = "source"

    id: Mapped[int] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(FilePath, unique=True)
    exclude: Mapped[list[str]] = mapped_column(JSON)
    name: Mapped[str] = mapped_column(server_default="")
    ocr: Mapped[bool] = mapped_column(server_default="0")


class CaptionFileRow(Base):
    """A file that holds the captions of many of a source's photos; ``path`` as of a source."""

    __tablename__ = "caption_file"
    __table_args__ = (UniqueConstraint("source_id", "path"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("source.id", ondelete="CASCADE"))
    path: Mapped[str] = mapped_column(FilePath)


class AssetRow(Base):
    """One file: what it is, and, if it could not be read, why.

    ``path`` is relative to the source, with ``/`` on every platform; ``"."`` where the source is
    the file itself. ``failure`` is a reason for people, ``failure_kind`` the error's class.

    ``companions`` and ``captions`` tell the state of the files beside it and of its lines in
    caption files when they were read. ``reading`` names the models that read text out of its
    content; ``read_until`` is set, in seconds, while a recording or video is read only so far.
    """

    __tablename__ = "asset"
    __table_args__ = (
        UniqueConstraint("source_id", "path"),
        Index("asset_by_content", "content_hash"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("source.id", ondelete="CASCADE"))
    path: Mapped[str] = mapped_column(FilePath)
    size: Mapped[int]
    mtime_ns: Mapped[int]
    content_hash: Mapped[str | None]
    failure: Mapped[str | None]
    failure_kind: Mapped[str | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    captured_at: Mapped[str | None] = mapped_column(doc="ISO 8601, the camera's local time")
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    camera: Mapped[str | None]
    duration: Mapped[float | None] = mapped_column(doc="seconds")
    language: Mapped[str | None] = mapped_column(doc="ISO 639-1")
    companions: Mapped[str | None]
    captions: Mapped[str | None]
    reading: Mapped[str | None]
    read_until: Mapped[float | None]


class FingerprintRow(Base):
    """What a photo looks like: see `mmsearch.media.fingerprint`.

    Apart from the asset, so that reading many assets does not read their fingerprints too.
    """

    __tablename__ = "fingerprint"

    asset_id: Mapped[int] = mapped_column(
        ForeignKey("asset.id", ondelete="CASCADE"), primary_key=True
    )
    data: Mapped[bytes] = mapped_column(LargeBinary)


class ItemRow(Base):
    """One searchable unit of an asset; ``start`` and ``end`` in seconds.

    ``origin`` tells where it was read (see `mmsearch.catalog.records.Origin`).
    """

    __tablename__ = "item"
    __table_args__ = (
        Index("item_by_asset", "asset_id"),
        Index("item_by_modality", "modality"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    asset_id: Mapped[int] = mapped_column(ForeignKey("asset.id", ondelete="CASCADE"))
    modality: Mapped[str]
    text: Mapped[str | None]
    start: Mapped[float | None]
    end: Mapped[float | None]
    origin: Mapped[str] = mapped_column(server_default="content")


class EmbeddingRow(Base):
    """The vector of an item under one encoder: little-endian float16, ``dim`` of them."""

    __tablename__ = "embedding"
    # Without it, every deleted item would scan the whole table for its embeddings.
    __table_args__ = (Index("embedding_by_item", "item_id"),)

    encoder_id: Mapped[int] = mapped_column(
        ForeignKey("encoder.id", ondelete="CASCADE"), primary_key=True
    )
    item_id: Mapped[int] = mapped_column(
        ForeignKey("item.id", ondelete="CASCADE"), primary_key=True
    )
    vector: Mapped[bytes] = mapped_column(LargeBinary)


class BackgroundRow(Base):
    """What an encoder makes of texts in general: see `mmsearch.encoders.background`.

    ``texts`` names the set of texts; ``vectors`` are their embeddings one after the other,
    little-endian float16.
    """

    __tablename__ = "background"

    encoder_id: Mapped[int] = mapped_column(
        ForeignKey("encoder.id", ondelete="CASCADE"), primary_key=True
    )
    texts: Mapped[str]
    vectors: Mapped[bytes] = mapped_column(LargeBinary)
