"""The example of an app with search in it, run by a real server and asked by a real client."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image

import mmsearch

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


@pytest.fixture
def client(index: mmsearch.Index, photos: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    index.add(photos)
    log = tmp_path / "log"
    with log.open("w") as told:
        server = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "fastapi_app:app", "--port", "0"],
            cwd=EXAMPLES,
            env={**os.environ, "MMSEARCH_INDEX": str(index.path), "PYTHONDONTWRITEBYTECODE": "1"},
            stderr=told,
        )
    try:
        until = time.monotonic() + 120
        while not (running := re.search(r"running on (http://\S+)", log.read_text())):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < until
            time.sleep(0.02)
        with httpx.Client(base_url=running[1], timeout=60) as asking:
            yield asking
    finally:
        server.terminate()
        assert server.wait(60) in (0, -15)


def test_texts_are_illustrated_and_pictures_are_served(client: httpx.Client) -> None:
    found = client.get("/illustrations", params={"text": "something red - really?", "k": 2})

    assert found.status_code == 200
    best = found.json()[0]
    assert best["name"] == "red.png"
    assert 0.2 <= best["relevance"] <= 1
    picture = client.get(best["picture"])
    assert picture.status_code == 200
    with Image.open(BytesIO(picture.content)) as image:
        assert image.convert("RGB").getpixel((10, 10))[0] > 250

    # The mounted service is the whole one.
    answer = client.get("/library/api/v1/indexes/photos/search", params={"q": "blue", "k": 1})
    assert answer.json()["hits"][0]["name"] == "blue.png"
    assert "<html" in client.get("/library/").text


def test_what_cannot_be_asked_is_told(client: httpx.Client) -> None:
    assert client.get("/illustrations", params={"text": "red", "k": 0}).status_code == 400
    assert client.get("/illustrations").status_code == 422
