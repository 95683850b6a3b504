"""Puts the server together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fastapi import FastAPI

from mmsearch import __version__
from mmsearch.errors import SettingsError
from mmsearch.library import Index
from mmsearch.server import health, items, jobs, local, media, page, search, security, understand
from mmsearch.server import indexes as index_routes
from mmsearch.server.compatible import clip_retrieval, openai
from mmsearch.server.errors import add_error_handlers
from mmsearch.server.mcp import http as mcp
from mmsearch.server.mcp.shelf import Shelf
from mmsearch.server.observe import Observer
from mmsearch.server.options import ServerOptions
from mmsearch.server.security import Guard
from mmsearch.server.state import API, ServerState
from mmsearch.server.worker_metrics import WorkerCollector

if TYPE_CHECKING:
    from mmsearch.server.workers import Workers


def create_app(
    indexes: Mapping[str, Index],
    *,
    options: ServerOptions | None = None,
    workers: Workers | None = None,
) -> FastAPI:
    """Makes the service, to be run by `mmsearch.server.run` or any ASGI server.

    Args:
        indexes: open indexes by the names that they are served under; the first is the default.
            They stay open when the server ends.
        options: how it runs.
        workers: answer searches of the same indexes; None where this process does.

    Raises:
        SettingsError: there is no index, or one has a name that does not go into a URL.
    """
    if not indexes:
        raise SettingsError("Name at least one index to serve.")
    for name in indexes:
        if name in ("", ".", "..") or "/" in name or not name.isprintable():
            raise SettingsError(f"An index cannot be served as {name!r}: that goes into no URL.")
    options = options or ServerOptions()
    app = FastAPI(
        title="mmsearch",
        summary="Photos, captions, recordings and videos, searchable by meaning.",
        version=__version__,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_url=f"{API}/openapi.json",
        docs_url=None,  # these pages load scripts from another site
        redoc_url=None,
    )
    app.state.server = state = ServerState(dict(indexes), options, workers=workers)
    if workers is not None:
        workers.seen = state.metrics.batches.observe
        state.metrics.registry.register(WorkerCollector(workers))
    add_error_handlers(app)
    app.add_middleware(Guard, options=options)
    app.add_middleware(Observer, metrics=state.metrics)  # the outermost: it sees refusals too
    # A line for each concern; routers bring their own lifespans where they need one.
    app.include_router(search.router())
    app.include_router(understand.router())
    app.include_router(items.router())
    app.include_router(media.router())
    app.include_router(jobs.router())
    app.include_router(index_routes.router())
    app.include_router(security.router())
    app.include_router(health.router())
    app.include_router(clip_retrieval.router())
    app.include_router(openai.router())
    app.include_router(mcp.router(Shelf.of(indexes)))
    app.include_router(local.router())
    app.include_router(page.router())
    return app
