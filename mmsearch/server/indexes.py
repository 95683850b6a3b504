"""Routes about indexes: which there are, and what they hold."""

from __future__ import annotations

from fastapi import APIRouter

from mmsearch.server.errors import refusals
from mmsearch.server.state import API, State


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["indexes"])
    routes.get(f"{API}/indexes", operation_id="list_indexes", responses=refusals())(list_indexes)
    return routes


def list_indexes(state: State) -> dict[str, object]:
    """The indexes that are served, the default first."""
    return {"indexes": [{"name": name, "default": name == state.default} for name in state.indexes]}
