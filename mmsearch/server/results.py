"""Results of the library as bodies of answers, with URLs to look at them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Response

from mmsearch.as_json import hit_as_json, info_as_json
from mmsearch.catalog.assets import contents
from mmsearch.catalog.reader import CatalogReader
from mmsearch.catalog.records import ItemRecord
from mmsearch.items import Hit
from mmsearch.media.formats import MediaKind, kind_of
from mmsearch.server.state import API

_SEEN = (MediaKind.PHOTO, MediaKind.VIDEO)
_TOLD = 16  # characters of a content's name, which tell it from others of one asset


@dataclass(frozen=True, slots=True)
class Urls:
    """Where an index's things are.

    Attributes:
        index: its name.
        contents: names of what is in assets, by their ids: with it, a thumbnail's URL changes when
            its picture does, and browsers need not ask for it again.
    """

    index: str
    contents: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def to(cls, index: str, hits: Sequence[Hit], reader: CatalogReader) -> Urls:
        """Those that some hits need."""
        return cls(index, contents(reader, (one.asset for hit in hits for one in _parts(hit))))

    def media(self, asset: int) -> str:
        """The file of an asset."""
        return f"{self._base}/assets/{asset}/media"

    def thumbnail(self, path: Path, asset: int) -> str | None:
        """A small picture of an asset; None where there is nothing to see."""
        seen = kind_of(path.name) in _SEEN
        return f"{self._base}/assets/{asset}/thumbnail{self._version(asset)}" if seen else None

    def moment(self, path: Path, asset: int, item: int, start: float | None) -> str | None:
        """A small picture of an item: of its moment in a video, else of its asset.

        All items of a photo share one, which browsers then load once.
        """
        if start is not None and kind_of(path.name) is MediaKind.VIDEO:
            return f"{self._base}/items/{item}/thumbnail{self._version(asset)}"
        return self.thumbnail(path, asset)

    def of_item(
        self, path: Path, asset: int, item: int, start: float | None
    ) -> dict[str, str | None]:
        """What every item is answered with beside what the library says."""
        return {
            "name": path.name,
            "thumbnail": self.moment(path, asset, item, start),
            "media": self.media(asset),
        }

    def of_asset(self, path: Path, asset: int) -> dict[str, str | None]:
        """Likewise of a file."""
        return {
            "name": path.name,
            "thumbnail": self.thumbnail(path, asset),
            "media": self.media(asset),
        }

    def _version(self, asset: int) -> str:
        content = self.contents.get(asset)
        return "" if content is None else f"?v={content[:_TOLD]}"

    @property
    def _base(self) -> str:
        return f"{API}/indexes/{quote(self.index)}"


def json_answer(body: dict[str, Any] | list[Any], status: int = 200) -> Response:
    """An answer that FastAPI need not look through: ten thousand hits would take it a second.

    Escaped to ASCII: a file name that is not UTF-8 keeps its bytes as lone surrogates.
    """
    return Response(
        json.dumps(body, separators=(",", ":")), status_code=status, media_type="application/json"
    )


def hit_body(hit: Hit, urls: Urls) -> dict[str, Any]:
    """A hit as `mmsearch query --json` shows it, and where to look at it."""
    body = hit_as_json(hit)
    for one, part in (
        (hit, body),
        *zip(hit.others, body["others"], strict=True),
        *zip(hit.copies, body["copies"], strict=True),
    ):
        part |= urls.of_item(one.path, one.asset, one.item, one.start)
    return body


def _parts(hit: Hit) -> Iterator[Hit]:
    """A hit, and what is listed under it."""
    yield from (hit, *hit.others, *hit.copies)


def place_body(item: ItemRecord, urls: Urls) -> dict[str, Any]:
    """An item of the catalog."""
    return {
        "path": str(item.path),
        "modality": item.modality.value,
        "item": item.id,
        "asset": item.asset_id,
        "text": item.text,
        "start": item.start,
        "end": item.end,
    } | urls.of_item(item.path, item.asset_id, item.id, item.start)


def item_body(item: ItemRecord, urls: Urls) -> dict[str, Any]:
    """An item of the catalog, with what its file tells."""
    return place_body(item, urls) | info_as_json(item.info)
