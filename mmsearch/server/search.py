"""The search routes: by parameters, by a JSON body, and by a picture or recording."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Body, FastAPI, Form, Query, Response, UploadFile
from fastapi import Path as PathParameter
from pydantic import BaseModel, ConfigDict, Field

from mmsearch.errors import QueryError
from mmsearch.items import Modality
from mmsearch.library import Index
from mmsearch.search.calibrate.cut import SPARE, fill
from mmsearch.search.language.literal import literal
from mmsearch.search.language.read import read_question
from mmsearch.server.errors import refusals
from mmsearch.server.fetch import fetched
from mmsearch.server.notices import collected
from mmsearch.server.options import ServerOptions
from mmsearch.server.results import Urls, hit_body, json_answer
from mmsearch.server.schemas import SearchAnswer, answers
from mmsearch.server.state import INDEX, ServedIndex, ServerState, State
from mmsearch.server.understand import MAX_QUERY, understood
from mmsearch.server.uploads import check_question, stored

MOST_HITS = 10_000
"""Hits in one answer."""

Name = Annotated[str, PathParameter(alias="index", description="Name of an index.")]
ItemName = Annotated[str, Field(max_length=4096)]


class SearchParameters(BaseModel):
    """What is asked of an index, as `mmsearch query` takes it."""

    model_config = ConfigDict(extra="forbid")

    q: str | None = Field(
        default=None,
        max_length=MAX_QUERY,
        description="What to look for, in the query language.",
        examples=["a dog on a beach -people type:image"],
    )
    k: int = Field(default=10, ge=1, le=MOST_HITS, description="How many hits at most.")
    offset: int = Field(
        default=0, ge=0, le=MOST_HITS, description="How many of the best hits to pass over."
    )
    type: Modality | None = Field(default=None, description="Only items of this modality.")
    folder: str | None = Field(
        default=None, max_length=4096, description="Only files in this folder and below."
    )
    items: bool = Field(default=False, description="A hit for each item, not for each file.")
    rerank: str | None = Field(
        default=None,
        pattern="^[a-z]{1,20}$",
        description="Looks at the best hits again: `auto`, `none`, `regions`, ...",
    )
    budget_ms: float | None = Field(
        default=None, gt=0, le=60_000, description="Milliseconds that reranking may take."
    )
    fold: bool = Field(default=True, description="Copies of a photo become one hit.")
    diverse: bool = Field(default=False, description="Hits that differ, rather than the best.")
    all: bool = Field(default=False, description="Also hits that hardly answer.")
    more_like: list[ItemName] = Field(
        default=[],
        max_length=100,
        description="Find more of these: ids of items, or paths of indexed files.",
    )
    less_like: list[ItemName] = Field(
        default=[], max_length=100, description="Find less of these, and leave them out."
    )


class SearchBody(SearchParameters):
    """What is asked, and possibly a picture at a URL."""

    image_url: str | None = Field(
        default=None,
        max_length=4096,
        description="A picture to look for; only where the server fetches URLs.",
    )


class SearchForm(SearchParameters):
    """What is asked, with a picture or a recording."""

    image: UploadFile | None = Field(default=None, description="A picture to look for.")
    audio: UploadFile | None = Field(
        default=None, description="A recording that says what to look for, in place of `q`."
    )


def router() -> APIRouter:
    """The routes; worker processes run as long as the server does."""
    routes = APIRouter(tags=["search"], lifespan=_lifespan)
    found = answers(SearchAnswer, "What was found.")
    routes.get(f"{INDEX}/search", operation_id="search", responses=found | refusals(400, 404, 422))(
        search
    )
    routes.post(
        f"{INDEX}/search",
        operation_id="search_by_body",
        responses=found | refusals(400, 404, 408, 413, 415, 422, 502),
    )(search_by_body)
    routes.post(
        f"{INDEX}/search/upload",
        operation_id="search_by_upload",
        responses=found | refusals(400, 404, 408, 413, 415, 422),
    )(search_by_upload)
    return routes


async def search(
    state: State,
    index: ServedIndex,
    name: Name,
    parameters: Annotated[SearchParameters, Query()],
) -> Response:
    """Finds what means the same as a text, or passes its filters.

    `mmsearch query` says the same with `--json`; `docs/query-language.md` has the language.
    """
    return await answered(state, index, name, parameters)


async def search_by_body(
    state: State, index: ServedIndex, name: Name, body: Annotated[SearchBody, Body()]
) -> Response:
    """The same, asked by a JSON body."""
    if body.image_url is None:
        return await answered(state, index, name, body)
    return await state.slow.run(partial(_search_by_url, state.options, index, name, body))


async def search_by_upload(
    state: State,
    index: ServedIndex,
    name: Name,
    form: Annotated[SearchForm, Form(media_type="multipart/form-data")],
) -> Response:
    """The same, with a picture or a recording.

    A picture beside `q`: both count. Of a recording, what is said in it is looked for.
    """
    work = partial(_search_by_upload, index, name, form)
    is_slow = form.audio is not None or _is_reranked(form)
    return await (state.slow.run(work) if is_slow else anyio.to_thread.run_sync(work))


async def answered(
    state: ServerState, index: Index, name: str, asked: SearchParameters
) -> Response:
    """Searches where there is room: see `find`.

    Reranking takes up to seconds, and models that one process need not load again.
    """
    work = partial(_found, index, name, asked)
    if _is_reranked(asked):
        return await state.slow.run(work)
    if state.workers is not None:
        answer = await state.workers.answer(name, asked)
        if answer is not None:
            return answer
    return await anyio.to_thread.run_sync(work)


def _is_reranked(asked: SearchParameters) -> bool:
    return asked.rerank not in (None, "none")


def _found(index: Index, name: str, asked: SearchParameters) -> Response:
    return json_answer(find(index, name, asked))


def _search_by_url(options: ServerOptions, index: Index, name: str, body: SearchBody) -> Response:
    assert body.image_url is not None
    with fetched(body.image_url, options) as image:
        return json_answer(find(index, name, body, image=image))


def _search_by_upload(index: Index, name: str, form: SearchForm) -> Response:
    with ExitStack() as kept:
        image = _stored(form.image, kept)
        audio = _stored(form.audio, kept)
        heard = None
        if audio is not None:
            if form.q is not None or image is not None:
                raise QueryError("A recording is a question of its own: send no q or image.")
            check_question(audio)
            heard = index.transcribe(audio)
        return json_answer(find(index, name, form, image=image, heard=heard))


def find(
    index: Index,
    name: str,
    asked: SearchParameters,
    *,
    image: Path | None = None,
    heard: str | None = None,
) -> dict[str, Any]:
    """Searches; see `mmsearch.server.schemas.SearchAnswer`.

    Args:
        index: to search.
        name: that it is served under.
        asked: what is asked.
        image: beside it, a picture.
        heard: instead of a text, what a recording says.

    Raises:
        MmsearchError: as `mmsearch.Index.search`.
    """
    text = asked.q if heard is None else literal(heard)
    last = asked.offset + asked.k
    every = asked.all or asked.diverse  # diverse hits are chosen among likely ones already
    started = time.perf_counter()
    with collected() as notices:
        hits = index.search(
            text,
            image=image,
            modality=asked.type,
            folder=asked.folder or None,  # an empty field of a form is none
            k=last if every else last + SPARE,
            grouped=not asked.items,
            rerank=asked.rerank,
            budget=None if asked.budget_ms is None else asked.budget_ms / 1000,
            fold=asked.fold,
            diverse=asked.diverse,
            more_like=[_item(one) for one in asked.more_like],
            less_like=[_item(one) for one in asked.less_like],
        )
    took_ms = (time.perf_counter() - started) * 1000
    shown, hidden = (hits, []) if every else fill(hits, last)
    shown = shown[asked.offset :]
    with index.reading() as reader:
        encoder, generation = reader.encoder().id, reader.generation()
        urls = Urls.to(name, shown, reader)
    return {
        "query": asked.q,
        "encoder": encoder,
        "took_ms": round(took_ms, 1),
        "generation": generation,
        "hits": [hit_body(hit, urls) for hit in shown],
        "hidden": len(hidden),
        "understood": None if text is None else understood(read_question(text), notices),
        "heard": heard,
    }


def _item(name: str) -> int | str:
    """An item by its id, or a file by its path."""
    return int(name) if name.isdecimal() and len(name) <= 18 else name


def _stored(upload: UploadFile | None, kept: ExitStack) -> Path | None:
    if upload is None:
        return None
    return kept.enter_context(stored(upload.file, upload.filename))


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state: ServerState = app.state.server
    if state.workers is None:
        yield
        return
    async with state.workers.running():
        yield
