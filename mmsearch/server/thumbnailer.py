"""Makes thumbnails of an index's assets, or finds those that were made before."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import anyio

from mmsearch.catalog.assets import AssetRecord
from mmsearch.catalog.reader import CatalogReader
from mmsearch.catalog.records import ItemRecord
from mmsearch.items import Modality
from mmsearch.media.files import changed_ns, content_hash
from mmsearch.media.formats import MediaKind, kind_of
from mmsearch.media.thumbnail import Encoding, thumbnail
from mmsearch.media.thumbnail_cache import ThumbnailCache, ThumbnailKey
from mmsearch.results.pictures import seen_at
from mmsearch.server.files import gone
from mmsearch.server.refusal import Refusal

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

AT_ONCE = 2
"""Pictures that are decoded at the same time: each may be large, and searches go on meanwhile."""

_POSTER = 0.1  # share of a video's length at which it is seen where no frame of it is indexed
_LOOKED_THROUGH = 50  # items of a video, for its first frame
_SAME_MS = 1.0  # the catalog's time of change is as precise as a database column made of it


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be seen.

    Attributes:
        asset: the file.
        time: seconds into a video; None for a photo.
        is_chosen: whether a caller has named the time: its thumbnail is not kept, for there are as
            many as milliseconds.
    """

    asset: AssetRecord
    time: float | None
    is_chosen: bool = False


def subject_of(
    reader: CatalogReader, asset: AssetRecord, item: ItemRecord | None, at: float | None
) -> Subject:
    """Which picture stands for an asset, or for one of its items.

    Args:
        reader: of the index.
        asset: a photo or a video.
        item: one of its items; None for the asset as a whole.
        at: seconds into a video; None where ``item``, or its first frame, tells.

    Raises:
        Refusal: there is no picture of it.
    """
    kind = kind_of(asset.path.name)
    if kind is MediaKind.PHOTO:
        return Subject(asset, None)
    if kind is not MediaKind.VIDEO or asset.info.width is None:
        raise Refusal(404, "NoPictureError", f"There is no picture of {asset.path.name}.")
    if at is not None:
        return Subject(asset, at, is_chosen=True)
    return Subject(asset, _moment(reader, asset, item))


def _moment(reader: CatalogReader, asset: AssetRecord, item: ItemRecord | None) -> float:
    """Seconds at which a video is seen."""
    if item is None:
        ids = reader.items_of_asset(asset.id)[:_LOOKED_THROUGH]
        frames = (one for one in reader.items(ids).values() if one.modality is Modality.FRAME)
        item = min(frames, key=lambda one: one.start or 0.0, default=None)
    if item is None or item.start is None:
        return (asset.info.duration or 0.0) * _POSTER
    return seen_at(item.modality, item.start, item.end)


class Thumbnailer:
    """Makes thumbnails in threads of its own, and keeps them.

    Args:
        folder: the folder of caches.
    """

    def __init__(self, folder: Path) -> None:
        self._cache = ThumbnailCache(folder)
        self._turns = anyio.CapacityLimiter(AT_ONCE)

    async def get(self, subject: Subject, key: ThumbnailKey, max_megapixels: float) -> bytes:
        """A thumbnail that was made before, or is made now.

        Args:
            subject: what is to be seen.
            key: as of `key_of`.
            max_megapixels: larger pictures are refused.

        Raises:
            MediaError: it cannot be made.
        """
        kept = await anyio.to_thread.run_sync(self._cache.get, key)
        if kept is not None:
            return kept
        make = partial(self._make, subject, key, max_megapixels)
        return await anyio.to_thread.run_sync(make, limiter=self._turns)

    def _make(self, subject: Subject, key: ThumbnailKey, max_megapixels: float) -> bytes:
        kept = self._cache.get(key)  # made while this waited for its turn
        if kept is not None:
            return kept
        made = thumbnail(
            subject.asset.path,
            time=subject.time,
            size=key.size,
            encoding=key.encoding,
            max_megapixels=max_megapixels,
        )
        if not subject.is_chosen:
            self._cache.put(key, made)
        return made


def key_of(subject: Subject, size: int, encoding: Encoding) -> ThumbnailKey:
    """What a thumbnail is kept under.

    It is that of the content which was indexed; while its file is gone, what was kept of it is
    still shown. A file that has changed since gets thumbnails of its own.
    """
    return ThumbnailKey(_content(subject.asset), size, encoding, subject.time)


def _content(asset: AssetRecord) -> str:
    """Names the content of a file, without reading all of it."""
    try:
        status = asset.path.stat()
    except OSError as error:
        if asset.content_hash is None:
            raise gone(asset.path, error) from error
        return asset.content_hash
    is_same = status.st_size == asset.bytes and _is_same_time(status.st_mtime, asset.modified_at)
    if is_same and asset.content_hash is not None:
        return asset.content_hash
    state = f"{asset.path}\0{status.st_size}\0{changed_ns(status)}"
    return content_hash(state.encode("utf-8", "surrogatepass"))


def _is_same_time(seconds: float, known: datetime) -> bool:
    return abs(seconds - known.timestamp()) * 1000 < _SAME_MS
