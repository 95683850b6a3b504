"""Whether a server is well, whether it can answer yet, and its metrics."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import anyio
from fastapi import APIRouter, FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from mmsearch.errors import MmsearchError
from mmsearch.library import Index
from mmsearch.server.errors import error_answer, refusals
from mmsearch.server.state import ServerState, State

AGAIN = 30.0
"""Seconds until loading an index is tried again that could not be searched."""

_log = logging.getLogger(__name__)


class Health(BaseModel):
    """A server that answers."""

    status: Literal["ok"]


def router() -> APIRouter:
    """The routes; indexes are made ready while the server starts to listen."""
    routes = APIRouter(tags=["operation"], lifespan=_lifespan)
    for path, operation, route in (
        ("/healthz", "health", health),
        ("/readyz", "readiness", readiness),
    ):
        routes.get(path, operation_id=operation, response_model=Health, responses=refusals())(route)
        # What watches services often asks without wanting a body.
        routes.head(path, response_model=Health, include_in_schema=False)(route)
    routes.get(
        "/metrics",
        operation_id="metrics",
        response_class=Response,
        responses=refusals()
        | {200: {"description": "Prometheus' text format.", "content": {"text/plain": {}}}},
    )(metrics)
    return routes


async def health() -> Health:
    """The server runs."""
    return Health(status="ok")


async def readiness(state: State) -> Response | Health:
    """Every index and its encoder are loaded, and the index can be read; 503 otherwise."""
    waiting = [name for name in state.indexes if name not in state.ready]
    if waiting:
        return error_answer(503, "NotReadyError", f"Not ready yet: {', '.join(waiting)}.")
    gone = await anyio.to_thread.run_sync(_gone, state)
    if gone:
        return error_answer(
            503,
            "NotReadyError",
            f"Removed or broken since the server started: {', '.join(gone)}.",
        )
    return Health(status="ok")


def _gone(state: ServerState) -> list[str]:
    """Names of the indexes that can no longer be read."""
    return [name for name, index in state.indexes.items() if not _is_there(index)]


def _is_there(index: Index) -> bool:
    try:
        with index.reading() as reader:
            reader.generation()
    except MmsearchError:
        return False
    return True


async def metrics(state: State) -> Response:
    """Counters for Prometheus."""
    return Response(
        generate_latest(state.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state: ServerState = app.state.server
    # Of this event loop, which is the server's own.
    anyio.to_thread.current_default_thread_limiter().total_tokens = state.options.threads
    async with anyio.create_task_group() as tasks:
        for name, index in state.indexes.items():
            index.together.seen = state.metrics.batches.observe
            tasks.start_soon(_make_ready, state, name, index)
        yield
        tasks.cancel_scope.cancel()


async def _make_ready(state: ServerState, name: str, index: Index) -> None:
    """Loads what the first query needs; tries again where it fails."""
    told = ""
    while True:
        try:
            await anyio.to_thread.run_sync(warm, index, abandon_on_cancel=True)
        except Exception as error:  # of one index; the others are served
            if str(error) != told:
                told = str(error)
                trace = None if isinstance(error, MmsearchError) else error
                _log.error("The index %s cannot be searched: %s", name, told, exc_info=trace)
            await anyio.sleep(AGAIN)
        else:
            state.ready.add(name)
            return


def warm(index: Index) -> None:
    """Loads what a search of it needs, by searching."""
    index.search("a photo", k=1)
