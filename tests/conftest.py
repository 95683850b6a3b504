"""Fixtures that every room's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import mmsearch
from mmsearch.testing import make_photo

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def _own_environment(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    """No test reads or writes the user's own indexes and settings."""
    home = tmp_path_factory.mktemp("home")
    for name in ("INDEX", "MODEL", "DEVICE", "EXCLUDE", "MAX_MEGAPIXELS", "OCR", "SPEECH_MODEL"):
        monkeypatch.delenv(f"MMSEARCH_{name}", raising=False)
    monkeypatch.setenv("MMSEARCH_DATA_DIR", str(home / "indexes"))
    monkeypatch.setenv("MMSEARCH_ENCODERS", str(home / "encoders"))
    monkeypatch.setenv("MMSEARCH_CACHE", str(home / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of four photos, each of one colour, one of them in a subfolder."""
    folder = tmp_path / "photos"
    for name in ("red", "green", "blue"):
        make_photo(folder / f"{name}.png", name)
    make_photo(folder / "deep" / "yellow.png", "yellow")
    return folder


@pytest.fixture
def index(tmp_path: Path) -> Iterator[mmsearch.Index]:
    """An empty index of the testing encoder."""
    with mmsearch.create(tmp_path / "test.mmsearch", model="testing") as made:
        yield made
