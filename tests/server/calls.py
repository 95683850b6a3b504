"""A client of a server in this process, over a small index of the tiny encoder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi.testclient import TestClient

import mmsearch
from mmsearch.server.app import create_app
from mmsearch.server.options import ServerOptions

HOME = "http://127.0.0.1:8642"
BASE = "/api/v1/indexes/photos"


@contextmanager
def calling(index: mmsearch.Index, **options: Any) -> Iterator[TestClient]:
    """A client; ``options`` are those of `ServerOptions`."""
    app = create_app({"photos": index}, options=ServerOptions(**options))
    with TestClient(app, base_url=HOME) as client:
        yield client
