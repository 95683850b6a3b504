"""Routes about one item or asset: what it is, what is like it, why it answers."""

from __future__ import annotations

from functools import partial
from io import BytesIO
from typing import Annotated

import anyio
from fastapi import APIRouter, Query, Response
from fastapi import Path as PathParameter

from mmsearch.as_json import explanation_as_json, info_as_json
from mmsearch.catalog.assets import asset as asset_record
from mmsearch.catalog.reader import CatalogReader
from mmsearch.catalog.records import ItemRecord
from mmsearch.errors import NotIndexedError
from mmsearch.library import Index
from mmsearch.search.explain.explanation import Explanation
from mmsearch.server.errors import refusals
from mmsearch.server.results import Urls, item_body, json_answer, place_body
from mmsearch.server.schemas import (
    AssetAnswer,
    ExplanationAnswer,
    ItemAnswer,
    SearchAnswer,
    answers,
)
from mmsearch.server.search import MOST_HITS, Name, SearchParameters, answered
from mmsearch.server.state import INDEX, ServedIndex, State
from mmsearch.server.understand import MAX_QUERY

ItemId = Annotated[int, PathParameter(ge=1, lt=2**63, description="Id of an item.")]
AssetId = Annotated[int, PathParameter(ge=1, lt=2**63, description="Id of an asset.")]
QueryText = Annotated[str, Query(max_length=MAX_QUERY, description="What was searched for.")]
RerankName = Annotated[
    str | None,
    Query(pattern="^[a-z]{1,20}$", description="Also tells what this reranker scores it."),
]


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["items"])
    item, asset = f"{INDEX}/items/{{item}}", f"{INDEX}/assets/{{asset}}"
    routes.get(
        item,
        operation_id="get_item",
        responses=answers(ItemAnswer, "The item.") | refusals(404, 422),
    )(get_item)
    routes.get(
        f"{item}/similar",
        operation_id="find_similar",
        responses=answers(SearchAnswer, "What was found.") | refusals(400, 404, 422),
    )(find_similar)
    routes.get(
        f"{item}/explain",
        operation_id="explain_item",
        responses=answers(ExplanationAnswer, "The evidence.") | refusals(400, 404, 422),
    )(explain_item)
    routes.get(
        f"{item}/explain.png",
        operation_id="draw_explanation",
        response_class=Response,
        responses=refusals(400, 404, 422)
        | {200: {"description": "The drawing.", "content": {"image/png": {}}}},
    )(draw_explanation)
    routes.get(
        asset,
        operation_id="get_asset",
        responses=answers(AssetAnswer, "The asset.") | refusals(404, 422),
    )(get_asset)
    return routes


def get_item(index: ServedIndex, name: Name, item: ItemId) -> Response:
    """An item, with what its file tells about itself."""
    with index.reading() as reader:
        return json_answer(item_body(_item(reader, item), Urls(name)))


def get_asset(index: ServedIndex, name: Name, asset: AssetId) -> Response:
    """A file with all its items."""
    with index.reading() as reader:
        found = asset_record(reader, asset)
        items = reader.items(reader.items_of_asset(asset)).values()
    known = {} if found.content_hash is None else {asset: found.content_hash}
    urls = Urls(name, known)
    body = {
        "asset": found.id,
        "path": str(found.path),
        "bytes": found.bytes,
        "modified_at": found.modified_at.isoformat(),
        "failure": found.failure,
        "items": [place_body(one, urls) for one in sorted(items, key=_order)],
    }
    return json_answer(body | info_as_json(found.info) | urls.of_asset(found.path, found.id))


async def find_similar(
    state: State,
    index: ServedIndex,
    name: Name,
    item: ItemId,
    k: Annotated[int, Query(ge=1, le=MOST_HITS, description="How many hits at most.")] = 10,
) -> Response:
    """Finds more like an item; the item itself is left out."""
    await anyio.to_thread.run_sync(_require, index, item)
    return await answered(state, index, name, SearchParameters(q=f"like:#{item}", k=k, all=True))


async def explain_item(
    state: State,
    index: ServedIndex,
    name: Name,
    item: ItemId,
    q: QueryText,
    rerank: RerankName = None,
) -> Response:
    """Tells why an item answers a query: its scores, the words and the regions that matter."""
    found = await state.slow.run(partial(_explained, index, item, q, rerank))
    urls = Urls(name)
    return json_answer(
        explanation_as_json(found) | urls.of_item(found.path, found.asset, found.item, found.start)
    )


async def draw_explanation(
    state: State, index: ServedIndex, item: ItemId, q: QueryText
) -> Response:
    """Draws where in its picture the query is seen; 404 where there is no picture."""
    drawn = await state.slow.run(partial(_drawn, index, item, q))
    return Response(drawn, media_type="image/png")


def _drawn(index: Index, item: int, q: str) -> bytes:
    found = _explained(index, item, q, None)
    if found.regions is None:
        why = "" if found.unreadable is None else f": {found.unreadable}"
        raise NotIndexedError(f"There is no picture of the item {item} to draw on{why}.")
    drawn = BytesIO()
    found.regions.draw(q).save(drawn, format="PNG")
    return drawn.getvalue()


def _explained(index: Index, item: int, q: str, rerank: str | None) -> Explanation:
    _require(index, item)
    return index.explain(item, q, rerank=rerank)


def _require(index: Index, item: int) -> None:
    """Makes sure that there is an item of this id."""
    with index.reading() as reader:
        _item(reader, item)


def _item(reader: CatalogReader, number: int) -> ItemRecord:
    found = reader.items([number]).get(number)
    if found is None:
        raise NotIndexedError(f"There is no item {number} in this index.")
    return found


def _order(item: ItemRecord) -> tuple[float, int]:
    return (-1.0 if item.start is None else item.start), item.id
