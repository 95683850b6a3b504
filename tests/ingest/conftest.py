"""An index whose encoder remembers its work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import mmsearch
from tests.ingest.counting import CountingEncoder


@pytest.fixture
def encoder() -> CountingEncoder:
    return CountingEncoder()


@pytest.fixture
def index(tmp_path: Path, encoder: CountingEncoder) -> Iterator[mmsearch.Index]:
    """An empty index of the counting encoder."""
    with mmsearch.create(tmp_path / "index", model=encoder) as made:
        yield made
