"""What clip-retrieval's client and front end call: nearest neighbours in an index.

The wire format is that of clip-retrieval 2.45: its `ClipClient` and its front end work against
these routes as they are. What has no counterpart here is accepted and ignored.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import unquote, urlsplit

import anyio
import numpy as np
from fastapi import APIRouter, Depends, Request, Response
from numpy.typing import NDArray
from pydantic import BaseModel, Field, RootModel, ValidationError

from mmsearch.catalog.captions import first_captions
from mmsearch.catalog.reader import CatalogReader
from mmsearch.catalog.records import ItemRecord
from mmsearch.encoders.base import DualEncoder
from mmsearch.errors import QueryError
from mmsearch.items import Hit, Modality
from mmsearch.library import Index
from mmsearch.media.formats import MediaKind, kind_of
from mmsearch.search.nearest import nearest
from mmsearch.search.sought import direction_of
from mmsearch.server.compatible.embedding import content_of, embed_image, encoder_of
from mmsearch.server.compatible.route import route_with_errors
from mmsearch.server.errors import refusals
from mmsearch.server.fetch import fetched
from mmsearch.server.refusal import Refusal
from mmsearch.server.results import Urls, json_answer
from mmsearch.server.schemas import answers
from mmsearch.server.state import API, ServerState, State

MOST_RESULTS = 10_000
"""More are asked for at times, and so many are answered."""

_MODALITIES = {
    "image": (Modality.IMAGE, Modality.FRAME),
    "text": (Modality.CAPTION, Modality.TRANSCRIPT, Modality.OCR),
}
_OWN_URL = re.compile(rf"{API}/indexes/([^/]+)/(assets|items)/(\d{{1,18}})/(?:media|thumbnail)")
_SHOWN_BY_BROWSERS = frozenset((".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".bmp"))
_IGNORED = "Accepted and ignored."

Asked = TypeVar("Asked", bound=BaseModel)


class KnnRequest(BaseModel):
    """What is looked for: one of ``text``, ``image``, ``image_url`` and ``embedding_input``."""

    text: str | None = Field(default=None, max_length=4096, description="Words, taken as they are.")
    image: str | None = Field(default=None, description="A picture in Base64, or a data URL.")
    image_url: str | None = Field(
        default=None,
        max_length=4096,
        description="A picture that this server has answered with, or any other where the server "
        "fetches URLs.",
    )
    embedding_input: list[float] | None = Field(
        default=None, max_length=65_536, description="An embedding of the index's own encoder."
    )
    modality: Literal["image", "text"] = Field(
        default="image", description="`image` for photos and frames; `text` for all texts."
    )
    num_images: int = Field(default=100, ge=0, description="How many results have metadata.")
    num_result_ids: int | None = Field(
        default=None, ge=1, description="How many results; `num_images` by default."
    )
    indice_name: str | None = Field(default=None, description="Name of an index.")
    deduplicate: bool = Field(default=False, description="Whether copies of a photo are left out.")
    use_mclip: Any = Field(default=None, description=_IGNORED)
    use_safety_model: Any = Field(default=None, description=_IGNORED)
    use_violence_detector: Any = Field(default=None, description=_IGNORED)
    aesthetic_score: Any = Field(default=None, description=_IGNORED)
    aesthetic_weight: Any = Field(default=None, description=_IGNORED)


class MetadataRequest(BaseModel):
    """The results whose metadata is wanted."""

    ids: list[int] = Field(max_length=MOST_RESULTS, description="Ids of results.")
    indice_name: str | None = Field(default=None, description="Name of an index.")


class Metadata(BaseModel):
    """What is known of a result."""

    url: str = Field(description="Where it can be looked at.")
    image_path: str = Field(description="The file.")
    caption: str | None = Field(default=None, description="What is written about it, or said.")
    modality: str
    width: int | None = None
    height: int | None = None
    start: float | None = None
    end: float | None = None


class Result(Metadata):
    """A neighbour; those after the first ``num_images`` have an id and a similarity alone."""

    id: int
    similarity: float


class Results(RootModel[list[Result]]):
    """Neighbours, the nearest first."""


class ResultMetadata(BaseModel):
    """The metadata of one result."""

    id: int
    metadata: Metadata


class MetadataAnswer(RootModel[list[ResultMetadata]]):
    """What is known of results, in the order in which they were asked for."""


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["clip-retrieval"], route_class=route_with_errors(_refused))
    routes.get(
        "/indices-list",
        operation_id="clip_indices",
        responses=refusals(),
    )(list_indices)
    routes.post(
        "/knn-service",
        operation_id="clip_knn",
        responses=answers(Results, "The neighbours, the nearest first.")
        | refusals(400, 404, 408, 413, 415, 422, 502),
        openapi_extra=_body_schema(KnnRequest),
    )(find_neighbours)
    routes.post(
        "/metadata",
        operation_id="clip_metadata",
        responses=answers(MetadataAnswer, "What is known of them.") | refusals(400, 404, 408, 413),
        openapi_extra=_body_schema(MetadataRequest),
    )(tell_metadata)
    return routes


# The client and the front end send JSON under no content type, or as plain text.
async def _knn_request(request: Request) -> KnnRequest:
    return _read(KnnRequest, await request.body())


async def _metadata_request(request: Request) -> MetadataRequest:
    return _read(MetadataRequest, await request.body())


def list_indices(state: State) -> list[str]:
    """The names of the indexes, as clip-retrieval's clients ask for them."""
    return list(state.indexes)


async def find_neighbours(
    request: Request, state: State, asked: Annotated[KnnRequest, Depends(_knn_request)]
) -> Response:
    """Finds nearest neighbours, as clip-retrieval's `ClipClient` asks for them.

    Similarities are inner products of embeddings, the nearest first. For relevance, words, filters
    and the query language use `/api/v1`.
    """
    work = partial(_neighbours, request, state, asked)
    is_slow = asked.image_url is not None  # it may be fetched
    return await (state.slow.run(work) if is_slow else anyio.to_thread.run_sync(work))


def tell_metadata(
    request: Request, state: State, asked: Annotated[MetadataRequest, Depends(_metadata_request)]
) -> Response:
    """Tells what is known of results; ids that are not indexed are left out."""
    name = _name(state, asked.indice_name)
    with state.index(name).reading() as reader:
        items = reader.items([one for one in asked.ids if 0 < one < 2**63])
        known = _metadata(reader, [items[one] for one in asked.ids if one in items], request, name)
    return json_answer([{"id": one, "metadata": known[one]} for one in asked.ids if one in known])


def _neighbours(request: Request, state: ServerState, asked: KnnRequest) -> Response:
    name = _name(state, asked.indice_name)
    index = state.index(name)
    count = asked.num_images if asked.num_result_ids is None else asked.num_result_ids
    with_metadata = min(asked.num_images, MOST_RESULTS)
    while True:
        encoder = encoder_of(index)
        vector = _sought(asked, request, state, name, encoder)
        with index.snapshot() as snapshot:
            if snapshot.encoder.id != encoder.id:
                continue  # another process has just re-encoded the index
            hits = nearest(
                snapshot,
                vector,
                max(1, min(count, MOST_RESULTS)),
                modalities=_MODALITIES[asked.modality],
                fold=asked.deduplicate,
            )
            known = _metadata(snapshot.reader, hits[:with_metadata], request, name)
        break
    return json_answer([known.get(hit.item, {}) | _place(hit) for hit in hits])


def _sought(
    asked: KnnRequest, request: Request, state: ServerState, name: str, encoder: DualEncoder
) -> NDArray[np.floating]:
    """What is looked for as a vector; the first of several counts, as in clip-retrieval."""
    limit = state.options.max_megapixels
    if asked.text:
        (row,) = encoder.encode_texts([asked.text])
        return np.asarray(row)
    if asked.image:
        return embed_image(encoder, content_of(asked.image), max_megapixels=limit)
    if asked.image_url:
        own = _own_picture(asked.image_url, request, state.index(name), name)
        if own is not None:
            return own
        with fetched(asked.image_url, state.options) as path:
            return embed_image(encoder, path.read_bytes(), max_megapixels=limit)
    if asked.embedding_input:
        return np.array(asked.embedding_input)
    raise QueryError("Give a text, an image, an image_url or an embedding_input.")


def _own_picture(
    url: str, request: Request, index: Index, name: str
) -> NDArray[np.floating] | None:
    """The embedding of a picture that this server has answered with; nothing is fetched."""
    try:
        parts = urlsplit(url)
    except ValueError:  # no URL at all, which is said when it is to be fetched
        return None
    found = _OWN_URL.fullmatch(parts.path)
    if found is None or parts.netloc != request.url.netloc or unquote(found[1]) != name:
        return None
    with index.reading() as reader:
        number = int(found[3])
        items = [number] if found[2] == "items" else reader.items_of_asset(number)
        if not reader.items(items):
            raise QueryError("The picture at this URL is no longer in the index.")
        return direction_of(items, 1.0, reader).vector


def _metadata(
    reader: CatalogReader, items: list[Hit] | list[ItemRecord], request: Request, name: str
) -> dict[int, dict[str, Any]]:
    """What is known of items, by their ids; what is not known is left out."""
    captions = first_captions(reader, [_asset(one) for one in items])
    base, urls = str(request.base_url).rstrip("/"), Urls(name)
    known = {}
    for one in items:
        fields = {
            "url": base + _url(one, urls),
            "image_path": str(one.path),
            "caption": one.text or captions.get(_asset(one)),
            "modality": one.modality.value,
            "width": one.info.width,
            "height": one.info.height,
            "start": one.start,
            "end": one.end,
        }
        known[_number(one)] = {key: value for key, value in fields.items() if value is not None}
    return known


def _url(item: Hit | ItemRecord, urls: Urls) -> str:
    """What a browser can show of an item: the photo, the moment of a video, else the file."""
    asset, kind = _asset(item), kind_of(item.path.name)
    if kind is MediaKind.PHOTO and item.path.suffix.lower() not in _SHOWN_BY_BROWSERS:
        return f"{urls.media(asset)}?as=jpeg"
    moment = urls.moment(item.path, asset, _number(item), item.start)
    is_video = kind is MediaKind.VIDEO and moment is not None
    return f"{moment}?size=1024" if is_video else urls.media(asset)


def _asset(item: Hit | ItemRecord) -> int:
    return item.asset if isinstance(item, Hit) else item.asset_id


def _number(item: Hit | ItemRecord) -> int:
    return item.item if isinstance(item, Hit) else item.id


def _place(hit: Hit) -> dict[str, Any]:
    return {"id": hit.item, "similarity": round(hit.score, 6)}


def _name(state: ServerState, given: str | None) -> str:
    return given or state.default


def _read(model: type[Asked], body: bytes) -> Asked:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        message = f"{where}: {first['msg']}." if where else f"{first['msg']}."
        raise Refusal(400, "ValidationError", message) from None


def _refused(error: Exception, status: int, message: str) -> Response:
    """An error as clip-retrieval's own framework tells it, and as all routes here do."""
    kind = error.kind if isinstance(error, Refusal) else type(error).__name__
    detail = {"type": kind, "message": message}
    return json_answer({"message": message, "error": detail}, status)


def _body_schema(model: type[BaseModel]) -> dict[str, Any]:
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}
