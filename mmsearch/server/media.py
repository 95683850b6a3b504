"""Routes to look at files: the files themselves, and small pictures of them.

Only what is catalogued is ever sent, by its id; no path comes from a request.
"""

from __future__ import annotations

from errno import ENOENT
from typing import Annotated, Any, Literal, TypeAlias

import anyio
from fastapi import APIRouter, Query, Request, Response

from mmsearch.catalog.assets import AssetRecord
from mmsearch.catalog.assets import asset as asset_record
from mmsearch.catalog.reader import CatalogReader
from mmsearch.errors import MediaError, NotIndexedError
from mmsearch.library import Index
from mmsearch.media.formats import MediaKind, kind_of
from mmsearch.media.thumbnail import SIZES, Encoding, size_for
from mmsearch.server.errors import refusals
from mmsearch.server.files import answer_with, disposition, gone, open_file
from mmsearch.server.items import AssetId, ItemId
from mmsearch.server.ranges import matches_tag
from mmsearch.server.refusal import Refusal
from mmsearch.server.state import INDEX, ServedIndex
from mmsearch.server.thumbnailer import Subject, Thumbnailer, key_of, subject_of
from mmsearch.settings import load_settings

Responses: TypeAlias = dict[int | str, dict[str, Any]]

_FOR_EVER = "private, max-age=31536000, immutable"
_A_WHILE = "private, max-age=60, stale-while-revalidate=86400"

_PICTURES: Responses = {
    200: {
        "description": "The picture.",
        "content": {encoding.content_type: {} for encoding in Encoding},
    },
    304: {"description": "The caller has it already."},
}
_FILES: Responses = {
    200: {"description": "The file.", "content": {"*/*": {}}},
    206: {"description": "The part that was asked for.", "content": {"*/*": {}}},
    304: {"description": "The caller has it already."},
}

Size = Annotated[
    int,
    Query(
        ge=1,
        le=SIZES[-1],
        description="Pixels of the longer side; the next larger one of "
        f"{', '.join(map(str, SIZES))} is made, and nothing is enlarged.",
    ),
]
At = Annotated[
    float | None,
    Query(ge=0, le=1e7, allow_inf_nan=False, description="Seconds into a video."),
]
Revision = Annotated[
    str | None,
    Query(
        alias="v",
        max_length=80,
        description="Anything; a caller that changes it with the content may keep the answer for "
        "ever.",
    ),
]
Download = Annotated[bool, Query(description="Have a browser store the file, not show it.")]
As = Annotated[
    Literal["jpeg"] | None,
    Query(
        alias="as",
        description="`jpeg`: a photo as a JPEG of at most 4096 pixels a side, for HEIC, camera "
        "RAW, TIFF and others that browsers do not show.",
    ),
]


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["media"])
    media = Media(Thumbnailer(load_settings().cache))
    wrong = refusals(404, 413, 415, 422)
    for path, operation, endpoint in (
        (f"{INDEX}/items/{{item}}/thumbnail", "item_thumbnail", media.item_thumbnail),
        (f"{INDEX}/assets/{{asset}}/thumbnail", "asset_thumbnail", media.asset_thumbnail),
    ):
        routes.get(
            path, operation_id=operation, response_class=Response, responses=wrong | _PICTURES
        )(endpoint)
    for method, operation in ((routes.get, "asset_media"), (routes.head, "asset_media_headers")):
        method(
            f"{INDEX}/assets/{{asset}}/media",
            operation_id=operation,
            response_class=Response,
            responses=wrong | refusals(416) | _FILES,
        )(media.asset_media)
    return routes


class Media:
    """What the routes do; their docstrings and annotations are what callers read.

    Args:
        thumbnailer: makes the pictures.
    """

    def __init__(self, thumbnailer: Thumbnailer) -> None:
        self._thumbnailer = thumbnailer

    async def item_thumbnail(
        self,
        request: Request,
        index: ServedIndex,
        item: ItemId,
        size: Size = 512,
        v: Revision = None,
    ) -> Response:
        """A small picture of an item: of its photo, or of its moment in a video."""
        subject = await anyio.to_thread.run_sync(_subject_of_item, index, item)
        return await self._small(request, index, subject, size, keep=v is not None)

    async def asset_thumbnail(
        self,
        request: Request,
        index: ServedIndex,
        asset: AssetId,
        size: Size = 512,
        at: At = None,
        v: Revision = None,
    ) -> Response:
        """A small picture of a photo or a video; WebP where the caller takes it, else JPEG."""
        subject = await anyio.to_thread.run_sync(_subject_of_asset, index, asset, at)
        return await self._small(request, index, subject, size, keep=v is not None)

    async def asset_media(
        self,
        request: Request,
        index: ServedIndex,
        asset: AssetId,
        as_: As = None,
        download: Download = False,
    ) -> Response:
        """A file as it is, or a part of it (`Range`); see `as` for what browsers cannot show."""
        found = await anyio.to_thread.run_sync(_readable_asset, index, asset)
        if as_ is not None:
            return await self._converted(request, index, found, download=download)
        opened = await anyio.to_thread.run_sync(open_file, found.path)
        is_head = request.method == "HEAD"
        return answer_with(opened, request.headers, download=download, is_head=is_head)

    async def _small(
        self, request: Request, index: Index, subject: Subject, size: int, *, keep: bool
    ) -> Response:
        takes_webp = Encoding.WEBP.content_type in request.headers.get("accept", "")
        encoding = Encoding.WEBP if takes_webp else Encoding.JPEG
        headers = {"Cache-Control": _FOR_EVER if keep else _A_WHILE, "Vary": "Accept"}
        return await self._picture(request, index, subject, size_for(size), encoding, headers)

    async def _converted(
        self, request: Request, index: Index, asset: AssetRecord, *, download: bool
    ) -> Response:
        if kind_of(asset.path.name) is not MediaKind.PHOTO:
            raise Refusal(415, "NoPhotoError", f"{asset.path.name} is no photo; leave out `as`.")
        headers = {
            "Cache-Control": "private, no-cache",
            "Content-Disposition": disposition(f"{asset.path.stem}.jpg", download=download),
        }
        subject = Subject(asset, None)
        return await self._picture(request, index, subject, SIZES[-1], Encoding.JPEG, headers)

    async def _picture(
        self,
        request: Request,
        index: Index,
        subject: Subject,
        size: int,
        encoding: Encoding,
        headers: dict[str, str],
    ) -> Response:
        """A picture, or that the caller has it already."""
        asset = subject.asset
        key = await anyio.to_thread.run_sync(key_of, subject, size, encoding)
        headers["ETag"] = f'"{key.name}"'
        if headers["Cache-Control"] == _FOR_EVER and key.content != asset.content_hash:
            headers["Cache-Control"] = _A_WHILE  # the file is another than `v` was told for
        if matches_tag(request.headers.get("if-none-match", ""), headers["ETag"]):
            return Response(status_code=304, headers=headers)
        try:
            picture = await self._thumbnailer.get(subject, key, index.max_megapixels)
        except MediaError as error:
            if not asset.path.is_file():
                raise gone(asset.path, FileNotFoundError(ENOENT, "")) from error
            # The reason alone: what it is about is known here.
            raise type(error)(f"{asset.path.name}: {error}.") from error
        return Response(picture, media_type=encoding.content_type, headers=headers)


def _subject_of_item(index: Index, item: int) -> Subject:
    with index.reading() as reader:
        found = reader.items([item]).get(item)
        if found is None:
            raise NotIndexedError(f"There is no item {item} in this index.")
        return subject_of(reader, asset_record(reader, found.asset_id), found, None)


def _subject_of_asset(index: Index, asset: int, at: float | None) -> Subject:
    with index.reading() as reader:
        return subject_of(reader, _readable(reader, asset), None, at)


def _readable_asset(index: Index, asset: int) -> AssetRecord:
    with index.reading() as reader:
        return _readable(reader, asset)


def _readable(reader: CatalogReader, asset: int) -> AssetRecord:
    """An asset of which something is indexed: what could not be read may be anything."""
    found = asset_record(reader, asset)
    if not reader.items_of_asset(asset):
        raise Refusal(
            404,
            "NothingIndexedError",
            f"{found.path.name} could not be indexed ({found.failure}), so it is not shown.",
        )
    return found
