"""A FastAPI app of your own with mmsearch inside: illustrations for a text.

    mmsearch index ./photos
    pip install fastapi uvicorn
    MMSEARCH_INDEX=default uvicorn fastapi_app:app

    curl 'http://127.0.0.1:8000/illustrations?text=a+dog+on+a+beach'

It shows three things: searching in an endpoint of your own, errors of queries as answers that your
clients can show, and the whole service of `mmsearch serve` (thumbnails, media, the page) below
/library.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse

import mmsearch
from mmsearch.errors import QueryError
from mmsearch.server.app import create_app
from mmsearch.settings import load_settings

index = mmsearch.open(load_settings().index_path())
library = create_app({"photos": index})


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Starts and ends the mounted service with this one: FastAPI only does so for the outer app."""
    async with library.router.lifespan_context(library):
        index.search("warm up", k=1)  # loads the encoder before the first visitor waits for it
        yield
    index.close()


app = FastAPI(title="An app with search", lifespan=lifespan)
app.mount("/library", library)


@app.get("/illustrations")
def illustrations(
    text: Annotated[str, Query(min_length=1, max_length=1000)], k: Annotated[int, Query(le=50)] = 5
) -> list[dict[str, str | float | None]]:
    """Photos that fit a text; plain `def`, so that FastAPI searches in a thread.

    The text is anybody's, so it is taken word for word; `type:image` is ours. What is hardly
    likely to fit is left out.
    """
    hits = index.search(f"{mmsearch.literal(text)} type:image", k=k, min_relevance=0.2)
    return [
        {
            "name": hit.path.name,
            "relevance": hit.relevance,
            "picture": f"/library/api/v1/indexes/photos/items/{hit.item}/thumbnail?size=512",
        }
        for hit in hits
    ]


@app.exception_handler(QueryError)
def tell(request: Request, error: QueryError) -> JSONResponse:
    """A query that cannot be answered is the caller's to mend: its message says how."""
    return JSONResponse({"error": str(error)}, status_code=400)
