"""One server for the tests of clients: an index of colours, its photos captioned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import mmsearch
from mmsearch.server.app import create_app
from mmsearch.testing import make_photo
from tests.server.live import serving


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[mmsearch.Index]:
    """Photos of one colour each; the red one is captioned, and there is a copy of the blue one."""
    root = tmp_path_factory.mktemp("colours")
    for name in ("red", "green", "blue"):
        make_photo(root / "photos" / f"{name}.png", name)
    make_photo(root / "photos" / "again" / "blue copy.png", "blue")
    make_photo(root / "photos" / "yellow.tiff", "yellow")
    (root / "photos" / "red.txt").write_text("a red wall in the sun", encoding="utf-8")
    with mmsearch.create(root / "colours.mmsearch", model="testing") as index:
        assert not index.add(root / "photos").failed
        yield index


@pytest.fixture(scope="module")
def url(colours: mmsearch.Index) -> Iterator[str]:
    """Address of a server with this index under two names."""
    with serving(create_app({"colours": colours, "second": colours})) as address:
        yield address


@pytest.fixture
def red(tmp_path: Path) -> Path:
    """A red photo that is not indexed."""
    return make_photo(tmp_path / "other red.jpg", (250, 5, 5))
