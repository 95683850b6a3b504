"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import mmsearch
from mmsearch.testing import make_photo

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


# The same examples in each run, and none fails because the machine was busy.
# `pytest --hypothesis-profile=default` looks for new ones.
settings.register_profile(
    "certain", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("certain")


@pytest.fixture(scope="session", autouse=True)
def _own_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the user's own indexes, settings, caches and servers."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("MMSEARCH_"):
                patch.delenv(name)
        _live_in(tmp_path_factory.mktemp("home"), patch)
        yield


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor those of another test."""
    _live_in(tmp_path_factory.mktemp("home"), monkeypatch)


def _live_in(home: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("MMSEARCH_DATA_DIR", str(home / "indexes"))
    patch.setenv("MMSEARCH_ENCODERS", str(home / "encoders"))
    patch.setenv("MMSEARCH_CACHE", str(home / "cache"))
    patch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    patch.setenv("XDG_RUNTIME_DIR", str(home / "run"))


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
