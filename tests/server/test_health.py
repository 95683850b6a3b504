"""Whether a server can answer, as it tells those who watch it."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

import mmsearch
from mmsearch.errors import EncoderError
from mmsearch.server import health
from mmsearch.server.observe import Lines
from mmsearch.testing import make_photo
from tests.server.calls import BASE, calling

PATIENCE = 60.0


def ready(client: TestClient) -> TestClient:
    """Waits until a server can answer."""
    until = time.monotonic() + PATIENCE
    while client.get("/readyz").status_code != 200:
        assert time.monotonic() < until
        time.sleep(0.01)
    return client


@pytest.fixture
def troubles(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """What the next tries to load an index fail with, the first last."""
    left: list[Exception] = []
    load = health.warm

    def warm(index: mmsearch.Index) -> None:
        if left:
            raise left.pop()
        load(index)

    monkeypatch.setattr(health, "warm", warm)
    monkeypatch.setattr(health, "AGAIN", 0.01)
    return left


def test_what_could_not_be_loaded_is_tried_again(
    photo_index: mmsearch.Index, troubles: list[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    troubles += [RuntimeError("a bug"), EncoderError("no weights"), EncoderError("no weights")]
    with calling(photo_index) as client:
        ready(client)
    said = [record for record in caplog.records if "cannot be searched" in record.message]
    assert [record.message.rpartition(": ")[2] for record in said] == ["no weights", "a bug"]
    assert [record.exc_info is None for record in said] == [True, False]


@pytest.fixture
def own_index(tmp_path: Path, photos: Path) -> Iterator[mmsearch.Index]:
    with mmsearch.create(tmp_path / "own", model="testing") as index:
        index.add(photos)
        yield index


def test_an_index_that_is_gone_cannot_be_answered_from(own_index: mmsearch.Index) -> None:
    with calling(own_index) as client:
        ready(client)
        catalog = own_index.path / "catalog.sqlite"
        catalog.rename(catalog.with_name("kept"))
        assert client.get(f"{BASE}/search?q=red").status_code == 404
        for _ in range(2):  # removed, and something else in its place
            answer = client.get("/readyz")
            assert answer.status_code == 503
            assert "photos" in answer.json()["error"]["message"]
            catalog.write_bytes(b"")
        catalog.with_name("kept").replace(catalog)
        assert client.get("/readyz").status_code == 200


def test_an_index_that_is_made_anew_is_answered_from(
    own_index: mmsearch.Index, tmp_path: Path
) -> None:
    (tmp_path / "new").mkdir()
    make_photo(tmp_path / "new" / "plum.png", "purple")
    with calling(own_index) as client:
        ready(client)
        assert found(client, "purple") != ["plum.png"]
        shutil.rmtree(own_index.path)
        with mmsearch.create(own_index.path, model="testing") as other:
            other.add(tmp_path / "new")
        assert client.get("/readyz").status_code == 200
        assert found(client, "purple") == ["plum.png"]
        assert client.get(f"{BASE}/assets/1").json()["name"] == "plum.png"


def found(client: TestClient, query: str) -> list[str]:
    hits = client.get(f"{BASE}/search", params={"q": query, "all": True}).json()["hits"]
    return [hit["name"] for hit in hits]


def test_probes_may_ask_without_a_body(client: TestClient) -> None:
    ready(client)
    for path in ("/healthz", "/readyz"):
        assert client.head(path).status_code == 200


def test_a_path_cannot_write_lines_of_the_log() -> None:
    record = logging.LogRecord("a", logging.INFO, "", 0, "%s", ("/a\nINFO b\x1b[31m\u202e",), None)
    line = Lines().format(record)
    assert line.isprintable()
    assert "/a\\nINFO b" in line
