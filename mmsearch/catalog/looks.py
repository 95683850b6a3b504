"""What tells copies of files apart: contents, fingerprints of photos, and when they were taken."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mmsearch.catalog.paths import decode_path
from mmsearch.catalog.reader import CatalogReader
from mmsearch.items import Modality


@dataclass(frozen=True, slots=True)
class Looks:
    """What tells an asset's copies.

    Attributes:
        content_hash: names the content; None where it must be read again.
        fingerprint: of a photo, see `mmsearch.media.fingerprint`; None where there is none.
        width: pixels as displayed.
        height: pixels as displayed.
        captured_at: when it was taken, in the camera's local time.
        camera: maker and model.
        mtime_ns: when the file was last changed, nanoseconds since 1970.
    """

    content_hash: str | None
    fingerprint: bytes | None
    width: int | None
    height: int | None
    captured_at: datetime | None
    camera: str | None
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A searchable asset of which there may be copies.

    Attributes:
        asset: its id.
        image: id of the item that is the photo itself; None for other files.
        path: absolute.
        size: bytes, when it was read.
        looks: what tells its copies; without the fingerprint.
    """

    asset: int
    image: int | None
    path: Path
    size: int
    looks: Looks


_LOOKS = "content_hash, {}, width, height, captured_at, camera, mtime_ns"


def looks_of(reader: CatalogReader, assets: Iterable[int]) -> dict[int, Looks]:
    """What tells the copies of some assets, by their ids."""
    rows = reader.select(
        f"""
        SELECT id, {_LOOKS.format("data")} FROM asset
        LEFT JOIN fingerprint ON fingerprint.asset_id = asset.id
        WHERE id IN (SELECT value FROM json_each(?))
        """,
        (json.dumps(list(assets)),),
    )
    return {asset: _looks(*columns) for asset, *columns in rows}


def fingerprints_of(reader: CatalogReader, assets: Iterable[int]) -> dict[int, bytes]:
    """The fingerprints of some assets, by their ids; those without one are left out."""
    rows = reader.select(
        """
        SELECT asset_id, data FROM fingerprint
        WHERE asset_id IN (SELECT value FROM json_each(?))
        """,
        (json.dumps(list(assets)),),
    )
    return dict(rows)


def stored_files(reader: CatalogReader) -> list[StoredFile]:
    """Every searchable asset, in order of their ids."""
    rows = reader.select(
        f"""
        SELECT asset.id,
            (SELECT min(item.id) FROM item WHERE asset_id = asset.id AND modality = ?),
            source_id, asset.path, size, {_LOOKS.format("NULL")}
        FROM asset WHERE id IN (SELECT asset_id FROM item) ORDER BY id
        """,
        (Modality.IMAGE.value,),
    )
    sources = reader.sources()
    return [
        StoredFile(asset, image, sources[source] / decode_path(path), size, _looks(*columns))
        for asset, image, source, path, size, *columns in rows
    ]


def photos_without_fingerprint(reader: CatalogReader) -> list[tuple[int, Path, str]]:
    """Photos that an older mmsearch has read: asset ids, absolute paths and content hashes."""
    rows = reader.select(
        """
        SELECT id, source_id, path, content_hash FROM asset
        WHERE content_hash IS NOT NULL
            AND id NOT IN (SELECT asset_id FROM fingerprint)
            AND id IN (SELECT asset_id FROM item WHERE modality = ?)
        ORDER BY id
        """,
        (Modality.IMAGE.value,),
    )
    sources = reader.sources()
    return [
        (asset, sources[source] / decode_path(path), content)
        for asset, source, path, content in rows
    ]


def _looks(
    content_hash: str | None,
    fingerprint: bytes | None,
    width: int | None,
    height: int | None,
    captured_at: str | None,
    camera: str | None,
    mtime_ns: int,
) -> Looks:
    taken = None if captured_at is None else datetime.fromisoformat(captured_at)
    return Looks(content_hash, fingerprint, width, height, taken, camera, mtime_ns)
