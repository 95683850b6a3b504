"""Fixtures of the server's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

import mmsearch
from tests.server.calls import calling


@pytest.fixture
def photo_index(photos: Path, index: mmsearch.Index) -> mmsearch.Index:
    """An index of four photos of one colour each, and a caption."""
    (photos / "red.txt").write_text("A red wall in Lisbon", encoding="utf-8")
    index.add(photos)
    return index


@pytest.fixture
def client(photo_index: mmsearch.Index) -> Iterator[TestClient]:
    """A client of a server over that index."""
    with calling(photo_index) as client:
        yield client
