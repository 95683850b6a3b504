"""What `mmsearch query` and `mmsearch stop` of the same user ask of a running server.

No part of the API: whoever asks proves by a secret that they can read the server's file, see
`mmsearch.background.presence`. Answers are exact, so that the command prints what it would have
printed without a server.
"""

from __future__ import annotations

import hmac
import json
import os
import signal
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Response
from starlette.exceptions import HTTPException

from mmsearch.background.asked import Asked, answer
from mmsearch.background.client import SEARCH, SECRET, STOP
from mmsearch.catalog.place import identity_of
from mmsearch.errors import MmsearchError
from mmsearch.library import Index
from mmsearch.server.notices import collected
from mmsearch.server.state import ServerState, State


async def _is_user(
    state: State, secret: Annotated[str, Header(alias=SECRET, include_in_schema=False)] = ""
) -> None:
    """Lets only those through who know the server's secret; for others there is nothing here."""
    known = state.options.secret
    if known is None or not hmac.compare_digest(secret.encode(), known.encode()):
        raise HTTPException(404, "There is nothing here")


def router() -> APIRouter:
    """The routes; they are not in the API's description."""
    routes = APIRouter(include_in_schema=False, dependencies=[Depends(_is_user)])
    routes.post(SEARCH)(search)
    routes.post(STOP)(stop)
    return routes


def search(state: State, body: Annotated[dict[str, Any], Body()]) -> Response:
    """Answers a query; whoever is declined finds out why without the server."""
    index = _index_at(state, str(body.get("path")))
    # Of a container, another index may be at the same path.
    if body.get("catalog") != list(identity_of(index.path) or ()):
        raise HTTPException(404, "Another index is served")
    try:
        asked = Asked.from_json(body["asked"])
        with collected() as notices:
            found = answer(index, asked, files=False)
    except (KeyError, TypeError) as error:
        raise HTTPException(422, "Not what this version asks") from error
    except MmsearchError as error:
        raise HTTPException(400, str(error)) from error
    # Escaped to ASCII: a file name that is not UTF-8 keeps its bytes as lone surrogates.
    content = json.dumps(found.as_json() | {"notices": notices})
    return Response(content, media_type="application/json")


def stop() -> Response:
    """Ends the server as Ctrl-C would, after this answer."""
    signal.raise_signal(signal.SIGTERM)
    return Response("{}", media_type="application/json")


def _index_at(state: ServerState, path: str) -> Index:
    for index in state.indexes.values():
        if os.path.realpath(index.path) == path:
            return index
    raise HTTPException(404, "This index is not served")
