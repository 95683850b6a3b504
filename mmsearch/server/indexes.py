"""Routes about a whole index: what it holds, counts, and what there is several times."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from mmsearch.as_json import duplicates_as_json, status_as_json
from mmsearch.items import Match
from mmsearch.library import Index
from mmsearch.search.facets import facets
from mmsearch.search.language.read import read_question
from mmsearch.search.language.tree import Question
from mmsearch.server.errors import refusals
from mmsearch.server.results import Urls, json_answer
from mmsearch.server.schemas import DuplicatesAnswer, Facets, IndexList, IndexStatus, answers
from mmsearch.server.search import Name
from mmsearch.server.state import API, INDEX, ServedIndex, State
from mmsearch.server.understand import MAX_QUERY

MOST_FOLDERS = 500


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["indexes"])
    routes.get(
        f"{API}/indexes",
        operation_id="list_indexes",
        responses=answers(IndexList, "The indexes.") | refusals(),
    )(list_indexes)
    routes.get(
        f"{INDEX}/status",
        operation_id="index_status",
        responses=answers(IndexStatus, "What it holds.") | refusals(404, 422),
    )(index_status)
    routes.get(
        f"{INDEX}/facets",
        operation_id="count_facets",
        responses=answers(Facets, "The counts.") | refusals(400, 404, 422),
    )(count_facets)
    routes.get(
        f"{INDEX}/duplicates",
        operation_id="list_duplicates",
        responses=answers(DuplicatesAnswer, "The groups.") | refusals(400, 404, 409, 422),
    )(list_duplicates)
    return routes


def list_indexes(state: State) -> Response:
    """The indexes that are served, the default first."""
    found = [
        {"name": name, "default": name == state.default} | _summary(index)
        for name, index in state.indexes.items()
    ]
    return json_answer({"indexes": found})


def index_status(index: ServedIndex) -> Response:
    """What an index holds, and which files could not be read."""
    with index.reading() as reader:
        generation = reader.generation()
    return json_answer(status_as_json(index.status()) | {"generation": generation})


def count_facets(
    index: ServedIndex,
    q: Annotated[
        str | None,
        Query(max_length=MAX_QUERY, description="Only what its filters and phrases leave."),
    ] = None,
) -> Response:
    """Counts files by type, folder and year."""
    question = read_question(q) if q and q.strip() else Question("")
    with index.snapshot() as snapshot:
        found = facets(snapshot.columns, question)
    return json_answer(
        {
            "assets": found.assets,
            "types": [{"value": one.value, "assets": n} for one, n in found.types.items()],
            "folders": [
                {"path": str(one.path), "name": one.name, "assets": one.assets}
                for one in found.folders[:MOST_FOLDERS]
            ],
            "more_folders": max(0, len(found.folders) - MOST_FOLDERS),
            "years": [{"value": str(year), "assets": n} for year, n in found.years.items()],
            "undated": found.undated,
        }
    )


async def list_duplicates(
    state: State,
    index: ServedIndex,
    name: Name,
    match: Annotated[
        Match,
        Query(
            description="`exact`: the same content; `near`: also the same photo, resized, "
            "recompressed or slightly cropped; `burst`: also shots within two seconds."
        ),
    ] = Match.NEAR,
    folder: Annotated[
        str | None, Query(max_length=4096, description="Only files in this folder and below.")
    ] = None,
) -> Response:
    """Lists files that are the same, in groups, the best of each first."""
    return await state.slow.run(partial(_duplicates, index, Urls(name), match, folder))


def _duplicates(index: Index, urls: Urls, match: Match, folder: str | None) -> Response:
    body = duplicates_as_json(index.duplicates(match=match, folder=folder or None))
    for group in body["groups"]:
        for file in (group["best"], *group["copies"]):
            file |= urls.of_asset(Path(file["path"]), file["asset"])
    return json_answer(body)


def _summary(index: Index) -> dict[str, Any]:
    with index.reading() as reader:
        return {
            "path": os.path.abspath(index.path),  # noqa: PTH100 - as it is named: no links
            "encoder": reader.encoder().id,
            "assets": reader.count_assets(),
            "items": {modality.value: n for modality, n in reader.count_items().items()},
            "generation": reader.generation(),
        }
