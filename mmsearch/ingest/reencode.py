"""Changes the encoder of an index: the old embeddings answer until the new ones are complete."""

from __future__ import annotations

from contextlib import closing
from itertools import islice

import numpy as np

from mmsearch.catalog.catalog import Catalog
from mmsearch.catalog.records import FileState, ItemToEncode, StoredEncoder
from mmsearch.encoders.base import DualEncoder
from mmsearch.index import IndexDirectory
from mmsearch.ingest.overlap import map_ahead
from mmsearch.ingest.read import Photo, PhotoReader, Unreadable
from mmsearch.ingest.run import COMMIT_CHANGES, Progress, no_progress


def reencode(
    directory: IndexDirectory,
    encoder: DualEncoder,
    stored: StoredEncoder,
    *,
    max_megapixels: float,
    progress: Progress | None = None,
) -> None:
    """Embeds every item anew and then makes ``encoder`` the index's own.

    Searches use the old embeddings until the last moment. A run that was cut short goes on where
    it stopped when it is called again with the same encoder. Files that can no longer be read
    lose their items at the end and are recorded as failures.

    Args:
        directory: the index.
        encoder: the new encoder.
        stored: its identity, as the catalog keeps it.
        max_megapixels: larger images are recorded as failures.
        progress: told after each file.

    Raises:
        IndexLockedError: another process is writing to the index.
    """
    progress = progress or no_progress
    read = PhotoReader(encoder.transform, max_megapixels)
    with directory.writing() as catalog:
        row = catalog.begin_encoder(stored)
        items = catalog.items_to_encode(row)
        progress(0, len(items))
        results = map_ahead(
            lambda item: read(item.path, FileState(str(item.path), size=0, mtime_ns=0)),
            items,
            batch=encoder.batch_size,
        )
        done = 0
        unreadable: list[tuple[ItemToEncode, Unreadable]] = []
        with closing(results):
            while group := list(islice(results, COMMIT_CHANGES)):
                photos = [(item, r) for item, r in group if isinstance(r, Photo)]
                unreadable += [(item, r) for item, r in group if isinstance(r, Unreadable)]
                _embed(catalog, encoder, row, photos)
                done += len(group)
                progress(done, len(items))
        with catalog.transaction() as change:
            for item, result in unreadable:
                change.note_failure(item.asset_id, result.reason, result.kind)
            change.activate_encoder(row)


def _embed(
    catalog: Catalog, encoder: DualEncoder, row: int, photos: list[tuple[ItemToEncode, Photo]]
) -> None:
    """Encodes a group of photos in batches and commits their embeddings."""
    with catalog.transaction() as change:
        for start in range(0, len(photos), encoder.batch_size):
            batch = photos[start : start + encoder.batch_size]
            vectors = encoder.encode_images(np.stack([photo.pixels for _, photo in batch]))
            change.put_embeddings(row, [item.id for item, _ in batch], vectors)
        for item, photo in photos:
            if photo.file.content_hash != item.content_hash:  # edited since it was indexed
                change.forget_content(item.asset_id)
