"""Fixtures of the tests that drive a browser: a server with the demo index, and a page of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import mmsearch
from tests.e2e.browser import DEMO, chromium, settled
from tests.server.live import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium a module: while it is there, its driver's event loop runs in this thread."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def demo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with a copy of the demo index."""
    from mmsearch.server.app import create_app

    folder = tmp_path_factory.mktemp("served") / "demo"
    shutil.copytree(DEMO, folder, copy_function=shutil.copy2)  # with their times: unchanged files
    with mmsearch.open(folder) as index, serving(create_app({"demo": index})) as address:
        yield address


@pytest.fixture
def placed_server(tmp_path: Path) -> Iterator[str]:
    """The address of a server whose only photo says where it was taken."""
    from PIL import Image

    from mmsearch.server.app import create_app

    exif = Image.Exif()
    gps = exif.get_ifd(0x8825)
    gps.update({1: "N", 2: (48.0, 12.0, 0.0), 3: "E", 4: (16.0, 24.0, 0.0)})
    exif[0x8825] = gps
    Image.new("RGB", (60, 40), "red").save(tmp_path / "vienna.jpg", exif=exif)
    with mmsearch.create(tmp_path / "placed.mmsearch", model="testing") as index:
        index.add(tmp_path / "vienna.jpg")
        with serving(create_app({"placed": index})) as address:
            yield address


@pytest.fixture
def unshown_server(tmp_path: Path) -> Iterator[str]:
    """The address of a server whose only photo is of a format that browsers do not show."""
    from PIL import Image

    from mmsearch.server.app import create_app

    Image.new("RGB", (60, 40), "red").save(tmp_path / "scan.tiff")
    with mmsearch.create(tmp_path / "unshown.mmsearch", model="testing") as index:
        index.add(tmp_path / "scan.tiff")
        with serving(create_app({"unshown": index})) as address:
            yield address


@pytest.fixture
def page(browser: Browser, demo_server: str) -> Iterator[Page]:
    """The page of the demo index; fails the test where anything on it failed."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, base_url=demo_server)
    errors: list[str] = []
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on(
        "console",
        lambda said: errors.append(said.text) if "Content Security Policy" in said.text else None,
    )
    opened.on(
        "request",
        lambda asked: (
            None
            if asked.url.startswith(("http://127.0.0.1:", "data:", "blob:"))
            else errors.append(f"asks {asked.url}")
        ),
    )
    opened.goto("/")
    settled(opened)
    yield opened
    context.close()
    assert not errors
