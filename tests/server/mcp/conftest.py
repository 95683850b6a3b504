"""An index of photos, notes and a video, and the official SDK's client for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mmsearch
from mmsearch.testing import make_photo
from tests.filmed import film

pytest.importorskip("mcp")

NOTES = "\n\n".join(
    f"{colour} is the colour of paragraph number {number}, which goes on for a while. " * 4
    for number, colour in enumerate(("Red", "Green", "Blue", "Yellow", "White", "Black"), 1)
)


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Iterator[mmsearch.Index]:
    """Photos (one captioned), a long note, and a video of a green and a blue scene."""
    root = tmp_path_factory.mktemp("album")
    media = root / "media"
    make_photo(media / "rose.jpg", "red", size=(1200, 900))
    make_photo(media / "lake.png", "blue")
    (media / "rose.txt").write_text("a rose on the table", encoding="utf-8")
    (media / "notes.md").write_text(NOTES, encoding="utf-8")
    film(media / "walk.mp4", [(_patches((0, 1, 0)), 3.0), (_patches((0, 0, 1)), 3.0)])
    with mmsearch.create(root / "album.mmsearch", model="testing") as index:
        assert not index.add(media).failed
        yield index


def _patches(colour: tuple[float, float, float]) -> Image.Image:
    """Patches in shades of a colour: what is all of one shade is no picture of a video."""
    shades = np.random.default_rng(3).uniform(60, 255, (12, 16, 1))
    small = Image.fromarray((shades * colour).astype(np.uint8), "RGB")
    return small.resize((320, 240), Image.Resampling.NEAREST)


Ask = Callable[..., Any]


def run_with(server: Any, talk: Callable[[Any], Awaitable[Any]]) -> Any:
    """Connects the SDK's client to a server, which may be a URL or a command, and lets it talk."""
    from mcp import Client

    async def connected() -> Any:
        async with Client(server, read_timeout_seconds=120) as client:
            return await talk(client)

    return asyncio.run(connected())


@pytest.fixture
def ask(album: mmsearch.Index) -> Ask:
    """Calls a tool of a server in this process."""
    from mmsearch.server.mcp.shelf import Shelf
    from mmsearch.server.mcp.tools import build_server

    server = build_server(Shelf.of({"album": album, "twin": album}))

    def call(tool: str, **arguments: Any) -> Any:
        return run_with(server, lambda client: client.call_tool(tool, arguments))

    return call


@pytest.fixture
def items(album: mmsearch.Index) -> dict[str, list[int]]:
    """Numbers of items by the names of their files, in the order of the file."""
    found: dict[str, list[int]] = {}
    for hit in album.search("colour", k=100, grouped=False, fold=False):
        found.setdefault(Path(hit.path).name, []).append(hit.item)
    return {name: sorted(numbers) for name, numbers in found.items()}
