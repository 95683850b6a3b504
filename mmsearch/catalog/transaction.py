"""What one atomic change of the catalog can do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from mmsearch.catalog.paths import as_text, relative_to_index
from mmsearch.catalog.records import (
    MEDIA_COLUMNS,
    STORED_DTYPE,
    FileState,
    NewItem,
    Origin,
    Source,
    media_info,
)
from mmsearch.catalog.schema import (
    AssetRow,
    CaptionFileRow,
    EmbeddingRow,
    EncoderRow,
    FingerprintRow,
    IndexInfoRow,
    ItemRow,
    SourceRow,
)
from mmsearch.items import MediaInfo, Modality


class Transaction:
    """Changes that are committed together; made by `Catalog.transaction`."""

    def __init__(self, session: Session, directory: Path, active_encoder: int) -> None:
        self._session = session
        self._directory = directory
        self._active_encoder = active_encoder

    def put_asset(
        self,
        source_id: int,
        file: FileState,
        info: MediaInfo,
        items: Sequence[NewItem],
        *,
        fingerprint: bytes | None = None,
    ) -> int:
        """Stores an asset with its items; what was known of the same path is replaced.

        Args:
            source_id: the source it belongs to.
            file: its state.
            info: what it tells about itself.
            items: what is searchable in it.
            fingerprint: what it looks like; None for what is no photo.

        Returns:
            The asset's id, which stays the same as long as its path does.
        """
        asset = self._put_file(source_id, file, info)
        self.add_items(asset, items)
        if fingerprint is not None:
            self.put_fingerprints({asset: fingerprint})
        return asset

    def put_fingerprints(self, fingerprints: Mapping[int, bytes]) -> None:
        """Stores what photos without a fingerprint look like, by their assets' ids."""
        rows = [{"asset_id": asset, "data": data} for asset, data in fingerprints.items()]
        if rows:
            self._session.execute(insert(FingerprintRow), rows)

    def add_items(self, asset_id: int, items: Sequence[NewItem]) -> None:
        """Adds items to an asset; their ids follow their order."""
        if not items:
            return
        rows = [
            {
                "asset_id": asset_id,
                "modality": item.modality.value,
                "text": item.text,
                "start": item.start,
                "end": item.end,
                "origin": item.origin.value,
            }
            for item in items
        ]
        new_rows = insert(ItemRow).returning(ItemRow.id, sort_by_parameter_order=True)
        item_ids = self._session.scalars(new_rows, rows).all()
        vectors = [item.vector for item in items]
        self._put_embeddings(self._active_encoder, item_ids, vectors)

    def remove_items(self, item_ids: Sequence[int]) -> None:
        """Deletes items with their embeddings."""
        for item_id in item_ids:
            self._session.execute(delete(ItemRow).where(ItemRow.id == item_id))

    def copy_asset(self, source_id: int, file: FileState, like: int) -> int:
        """Stores a file with the same content as the asset ``like``.

        What was read in the content is copied with its vectors; what other files say of ``like``
        is not.
        """
        rows = self._session.execute(
            select(ItemRow, EmbeddingRow.vector)
            .join(EmbeddingRow, EmbeddingRow.item_id == ItemRow.id)
            .where(
                ItemRow.asset_id == like,
                ItemRow.origin == Origin.CONTENT.value,
                EmbeddingRow.encoder_id == self._active_encoder,
            )
            .order_by(ItemRow.id)
        ).all()
        items = [
            NewItem(
                modality=Modality(row.modality),
                vector=np.frombuffer(vector, dtype=STORED_DTYPE),
                text=row.text,
                start=row.start,
                end=row.end,
            )
            for row, vector in rows
        ]
        told = [getattr(AssetRow, column) for column in MEDIA_COLUMNS]
        info = media_info(self._session.execute(select(*told).where(AssetRow.id == like)).one())
        looks = select(FingerprintRow.data).where(FingerprintRow.asset_id == like)
        fingerprint = self._session.scalars(looks).one_or_none()
        return self.put_asset(source_id, file, info, items, fingerprint=fingerprint)

    def fail_asset(self, source_id: int, file: FileState, reason: str, kind: str) -> int:
        """Records that a file could not be read; items it had are removed."""
        return self._put_file(source_id, file, MediaInfo(), failure=reason, failure_kind=kind)

    def move_asset(self, asset_id: int, source_id: int, file: FileState) -> None:
        """Gives an asset a new path; its items, their ids and vectors stay."""
        self._delete_at(source_id, file.path, keep=asset_id)
        values = {"source_id": source_id, "path": file.path, **_state_columns(file)}
        self._session.execute(update(AssetRow).where(AssetRow.id == asset_id).values(**values))

    def put_state(self, asset_id: int, file: FileState) -> None:
        """Notes the new state of a file whose items are right as they are; failures are kept."""
        self._session.execute(
            update(AssetRow).where(AssetRow.id == asset_id).values(**_state_columns(file))
        )

    def put_info(self, asset_id: int, info: MediaInfo) -> None:
        """Notes what has been learnt of a file since it was stored."""
        self._session.execute(
            update(AssetRow).where(AssetRow.id == asset_id).values(**_info_columns(info))
        )

    def remove_assets(self, asset_ids: Iterable[int]) -> None:
        """Deletes assets with their items and embeddings."""
        for asset_id in asset_ids:
            self._session.execute(delete(AssetRow).where(AssetRow.id == asset_id))

    def add_source(self, path: Path, exclude: Sequence[str] = (), *, ocr: bool = False) -> Source:
        """Adds a source; ``path`` is absolute."""
        row = SourceRow(
            path=relative_to_index(path, self._directory),
            exclude=list(exclude),
            name=as_text(path.name),
            ocr=ocr,
        )
        self._session.add(row)
        self._session.flush()
        return Source(row.id, path, tuple(exclude), ocr)

    def put_source_settings(self, source: Source) -> None:
        """Changes the exclusions of a source and whether its photos' text is read."""
        self._session.execute(
            update(SourceRow)
            .where(SourceRow.id == source.id)
            .values(exclude=list(source.exclude), ocr=source.ocr)
        )

    def add_caption_file(self, source_id: int, path: Path) -> None:
        """Notes that a file holds captions of a source's photos; ``path`` is absolute."""
        self._put_caption_file(source_id, relative_to_index(path, self._directory))

    def remove_caption_file(self, source_id: int, path: Path) -> None:
        """Forgets a caption file; the source's captions stay, and are compared in the next run."""
        self._session.execute(
            delete(CaptionFileRow).where(
                CaptionFileRow.source_id == source_id,
                CaptionFileRow.path == relative_to_index(path, self._directory),
            )
        )
        in_source = AssetRow.source_id == source_id
        self._session.execute(update(AssetRow).where(in_source).values(captions=None))

    def remove_source(self, source_id: int) -> None:
        """Deletes a source and everything in it."""
        self._session.execute(delete(SourceRow).where(SourceRow.id == source_id))

    def absorb_source(self, inner: int, outer: int, prefix: str) -> None:
        """Moves the assets of a source into one whose folder contains it.

        Args:
            inner: id of the source that ends.
            outer: id of the source that takes over.
            prefix: the inner source's path relative to the outer one.
        """
        for row in self._session.scalars(select(AssetRow).where(AssetRow.source_id == inner)):
            row.source_id = outer
            row.path = prefix if row.path == "." else f"{prefix}/{row.path}"
        for path in self._session.scalars(
            select(CaptionFileRow.path).where(CaptionFileRow.source_id == inner)
        ).all():
            self._put_caption_file(outer, path)
        self._session.flush()
        self.remove_source(inner)

    def put_embeddings(
        self, encoder_row: int, item_ids: Sequence[int], vectors: NDArray[np.floating[Any]]
    ) -> None:
        """Stores embeddings of existing items under an encoder that is being changed to.

        Args:
            encoder_row: as `Catalog.begin_encoder` returned it.
            item_ids: n item ids.
            vectors: shape (n, dim).
        """
        self._put_embeddings(encoder_row, item_ids, vectors)

    def note_failure(self, asset_id: int, reason: str, kind: str) -> None:
        """Records on a stored asset that its file cannot be read wholly; its items stay."""
        self._session.execute(
            update(AssetRow)
            .where(AssetRow.id == asset_id)
            .values(failure=reason, failure_kind=kind)
        )

    def forget_content(self, asset_id: int) -> None:
        """Makes the next run read a file again, though it may look the same."""
        self._session.execute(
            update(AssetRow).where(AssetRow.id == asset_id).values(content_hash=None, size=-1)
        )

    def activate_encoder(self, encoder_row: int) -> None:
        """Makes an encoder the index's own; the others' embeddings are deleted.

        Items that have no embedding under it could not be encoded and are deleted too.
        """
        encoded = select(EmbeddingRow.item_id).where(EmbeddingRow.encoder_id == encoder_row)
        self._session.execute(delete(ItemRow).where(ItemRow.id.not_in(encoded)))
        self._session.execute(update(IndexInfoRow).values(active_encoder=encoder_row))
        self._session.execute(delete(EncoderRow).where(EncoderRow.id != encoder_row))
        self._active_encoder = encoder_row

    def _put_caption_file(self, source_id: int, path: str) -> None:
        at_path = (CaptionFileRow.source_id == source_id) & (CaptionFileRow.path == path)
        if self._session.scalars(select(CaptionFileRow.id).where(at_path)).one_or_none() is None:
            self._session.add(CaptionFileRow(source_id=source_id, path=path))
            self._session.flush()

    def _put_file(
        self,
        source_id: int,
        file: FileState,
        info: MediaInfo,
        *,
        failure: str | None = None,
        failure_kind: str | None = None,
    ) -> int:
        """Inserts or overwrites the asset at a path, without items; returns its id."""
        columns: dict[str, Any] = {
            "failure": failure,
            "failure_kind": failure_kind,
            **_state_columns(file),
            **_info_columns(info),
        }
        at_path = (AssetRow.source_id == source_id) & (AssetRow.path == file.path)
        known = self._session.scalars(select(AssetRow.id).where(at_path)).one_or_none()
        if known is None:
            row = AssetRow(source_id=source_id, path=file.path, **columns)
            self._session.add(row)
            self._session.flush()
            return row.id
        self._session.execute(delete(ItemRow).where(ItemRow.asset_id == known))
        self._session.execute(delete(FingerprintRow).where(FingerprintRow.asset_id == known))
        self._session.execute(update(AssetRow).where(AssetRow.id == known).values(**columns))
        return known

    def _delete_at(self, source_id: int, path: str, *, keep: int) -> None:
        self._session.execute(
            delete(AssetRow).where(
                AssetRow.source_id == source_id, AssetRow.path == path, AssetRow.id != keep
            )
        )

    def _put_embeddings(
        self,
        encoder_row: int,
        item_ids: Sequence[int],
        vectors: Iterable[NDArray[np.floating[Any]]],
    ) -> None:
        rows = [
            {
                "encoder_id": encoder_row,
                "item_id": item_id,
                "vector": vector.astype(STORED_DTYPE).tobytes(),
            }
            for item_id, vector in zip(item_ids, vectors, strict=True)
        ]
        if rows:
            self._session.execute(insert(EmbeddingRow), rows)


def _state_columns(file: FileState) -> dict[str, Any]:
    """A file's state but for its path, as columns of an asset."""
    return {
        "size": file.size,
        "mtime_ns": file.mtime_ns,
        "content_hash": file.content_hash,
        "companions": file.companions,
        "captions": file.captions,
        "reading": file.reading,
        "read_until": file.read_until,
    }


def _info_columns(info: MediaInfo) -> dict[str, Any]:
    """What a file tells about itself, as columns of an asset."""
    return {
        "width": info.width,
        "height": info.height,
        "captured_at": None if info.captured_at is None else info.captured_at.isoformat(),
        "latitude": info.latitude,
        "longitude": info.longitude,
        "camera": info.camera,
        "duration": info.duration,
        "language": info.language,
    }
