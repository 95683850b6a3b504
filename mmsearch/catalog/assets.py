"""Looks up single assets: files by their ids."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mmsearch.catalog.paths import decode_path
from mmsearch.catalog.reader import CatalogReader
from mmsearch.catalog.records import MEDIA_COLUMNS, media_info
from mmsearch.errors import NotIndexedError
from mmsearch.items import MediaInfo


@dataclass(frozen=True, slots=True)
class AssetRecord:
    """A file as it was when it was read.

    Attributes:
        id: the asset's id.
        path: absolute.
        bytes: its size.
        modified_at: when it was last changed, in UTC.
        content_hash: names its content; None where it must be read again.
        failure: why it could not be read, wholly or in part.
        info: what it tells about itself.
    """

    id: int
    path: Path
    bytes: int
    modified_at: datetime
    content_hash: str | None
    failure: str | None
    info: MediaInfo


def asset(reader: CatalogReader, number: int) -> AssetRecord:
    """The asset of an id.

    Raises:
        NotIndexedError: there is none.
    """
    rows = reader.select(
        f"""
        SELECT source_id, path, size, mtime_ns, content_hash, failure, {", ".join(MEDIA_COLUMNS)}
        FROM asset WHERE id = ?
        """,
        (number,),
    )
    if not rows:
        raise NotIndexedError(f"There is no asset {number} in this index.")
    ((source, path, size, mtime_ns, content, failure, *media),) = rows
    return AssetRecord(
        id=number,
        path=reader.sources()[source] / decode_path(path),
        bytes=size,
        modified_at=datetime.fromtimestamp(mtime_ns / 1e9, UTC),
        content_hash=content,
        failure=failure,
        info=media_info(media),
    )


def contents(reader: CatalogReader, assets: Iterable[int]) -> dict[int, str]:
    """Names of what is in assets, by their ids; one that must be read again is left out."""
    rows = reader.select(
        """
        SELECT id, content_hash FROM asset
        WHERE content_hash IS NOT NULL AND id IN (SELECT value FROM json_each(?))
        """,
        (json.dumps(sorted(set(assets))),),
    )
    return dict(rows)
