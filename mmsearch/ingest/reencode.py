"""Changes the encoder of an index: the old embeddings answer until the new ones are complete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import TypeAlias

import numpy as np

from mmsearch.catalog.catalog import Catalog
from mmsearch.catalog.records import ItemToEncode, StoredEncoder
from mmsearch.cores import usable_cores
from mmsearch.encoders.base import DualEncoder, ImageTransform, Pixels, expect_images
from mmsearch.errors import MediaError
from mmsearch.index import IndexDirectory
from mmsearch.ingest.background import ensure_background
from mmsearch.ingest.decoders import READING, Decoders
from mmsearch.ingest.drafts import TEXT_BATCH
from mmsearch.ingest.ledger import COMMIT_CHANGES
from mmsearch.ingest.overlap import map_ahead
from mmsearch.ingest.photo import PhotoWish
from mmsearch.ingest.read import DecodePhoto
from mmsearch.ingest.run import Progress, no_progress
from mmsearch.items import Modality, middle
from mmsearch.media.files import content_hash, read_bytes
from mmsearch.media.video import frames_at

Picture: TypeAlias = tuple[ItemToEncode, Pixels]


@dataclass(frozen=True, slots=True)
class _Photo:
    """A photo as it is now."""

    pixels: Pixels
    content_hash: str


def reencode(
    directory: IndexDirectory,
    encoder: DualEncoder,
    stored: StoredEncoder,
    *,
    max_megapixels: float,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Embeds every item anew and then makes ``encoder`` the index's own.

    Searches use the old embeddings until the last moment. A run that was cut short goes on where
    it stopped when it is called again with the same encoder. Texts are embedded as the catalog
    has them; files of pictures that can no longer be read lose those items at the end and are
    recorded as failures.

    Args:
        directory: the index.
        encoder: the new encoder.
        stored: its identity, as the catalog keeps it.
        max_megapixels: larger images are recorded as failures.
        jobs: how many cores to use; None for all.
        progress: told how many items are done.

    Raises:
        IndexLockedError: another process is writing to the index.
    """
    with directory.writing() as catalog:
        row = catalog.begin_encoder(stored)
        run = _Reencoding(catalog, encoder, row, max_megapixels, jobs, progress or no_progress)
        run.execute()
        ensure_background(catalog, lambda: encoder)


class _Reencoding:
    """One run; each kind of item has its own way to be read again."""

    def __init__(
        self,
        catalog: Catalog,
        encoder: DualEncoder,
        row: int,
        max_megapixels: float,
        jobs: int | None,
        progress: Progress,
    ) -> None:
        self._cores = jobs or usable_cores()
        self._catalog = catalog
        self._encoder = encoder
        self._row = row
        self._max_megapixels = max_megapixels
        self._progress = progress
        self._items = catalog.items_to_encode(row)
        self._unreadable: dict[int, MediaError] = {}
        self._done = 0

    def execute(self) -> None:
        self._progress(0, len(self._items))
        self._encode_texts([item for item in self._items if item.text is not None])
        photos = [i for i in self._items if i.modality is Modality.IMAGE]
        expect_images(self._encoder, len(photos), self._cores)
        try:
            self._encode_photos(photos)
            self._encode_frames([i for i in self._items if i.modality is Modality.FRAME])
        finally:
            expect_images(self._encoder, 0, self._cores)
        with self._catalog.transaction() as change:
            for asset, error in self._unreadable.items():
                change.note_failure(asset, str(error), type(error).__name__)
                change.forget_content(asset)  # so that the next run tries again
            change.activate_encoder(self._row)

    def _encode_texts(self, items: Sequence[ItemToEncode]) -> None:
        remaining = iter(items)
        while batch := list(islice(remaining, TEXT_BATCH)):
            vectors = self._encoder.encode_texts([item.text or "" for item in batch])
            with self._catalog.transaction() as change:
                change.put_embeddings(self._row, [item.id for item in batch], vectors)
            self._count(len(batch))

    def _encode_photos(self, items: Sequence[ItemToEncode]) -> None:
        decode = Decoders.for_photos(len(items), self._cores)
        ahead = map_ahead(
            partial(self._read_photo, decode),
            items,
            batch=self._encoder.batch_size,
            workers=self._cores + READING,
        )
        with ahead as results, decode:  # decoders end first, as in an indexing run
            while group := list(islice(results, COMMIT_CHANGES)):
                photos = [(item, photo) for item, photo in group if isinstance(photo, _Photo)]
                self._put([(item, photo.pixels) for item, photo in photos])
                self._unreadable.update(
                    (item.asset_id, photo) for item, photo in group if isinstance(photo, MediaError)
                )
                edited = [i.asset_id for i, p in photos if p.content_hash != i.content_hash]
                with self._catalog.transaction() as change:
                    for asset in edited:
                        change.forget_content(asset)
                self._count(len(group))

    def _read_photo(self, decode: DecodePhoto, item: ItemToEncode) -> _Photo | MediaError:
        wish = PhotoWish(self._encoder.transform, self._max_megapixels)
        try:
            data = read_bytes(item.path)
            photo = decode(data, item.path.suffix, wish)
        except MediaError as error:
            return error
        assert photo.pixels is not None
        return _Photo(photo.pixels, content_hash(data))

    def _encode_frames(self, items: Sequence[ItemToEncode]) -> None:
        """Reads the frames of one video after the other again."""
        for asset, group in groupby(items, key=lambda item: item.asset_id):
            frames = sorted(group, key=_seen_at)
            pictures = self._read_frames(frames[0].path, frames)
            try:
                while batch := list(islice(pictures, COMMIT_CHANGES)):
                    self._put(batch)
            except MediaError as error:
                self._unreadable[asset] = error
            self._count(len(frames))

    def _read_frames(self, path: Path, items: Sequence[ItemToEncode]) -> Iterator[Picture]:
        transform: ImageTransform = self._encoder.transform
        images = frames_at(
            path,
            [_seen_at(item) for item in items],
            min_size=(transform.width, transform.height),
            max_megapixels=self._max_megapixels,
        )
        for item, image in zip(items, images, strict=False):
            yield item, transform(image)

    def _put(self, pictures: Sequence[Picture]) -> None:
        """Encodes pictures in batches and commits their embeddings."""
        size = self._encoder.batch_size
        with self._catalog.transaction() as change:
            for start in range(0, len(pictures), size):
                batch = pictures[start : start + size]
                vectors = self._encoder.encode_images(np.stack([pixels for _, pixels in batch]))
                change.put_embeddings(self._row, [item.id for item, _ in batch], vectors)

    def _count(self, items: int) -> None:
        self._done += items
        self._progress(self._done, len(self._items))


def _seen_at(item: ItemToEncode) -> float:
    return middle(item.start, item.end)
