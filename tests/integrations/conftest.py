"""An index with an item of each kind that other frameworks meet."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from PIL import Image, ImageDraw

import mmsearch
from mmsearch.testing import make_photo
from tests.filmed import film

Result = TypeVar("Result")


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A captioned red photo, a blue one, and a video with a transcript: green, then blue."""
    place = tmp_path_factory.mktemp("holidays")
    folder = place / "media"
    make_photo(folder / "rose.png", "red")
    (folder / "rose.txt").write_text("Grandmother's prize rose: 3 -1, it won!")
    make_photo(folder / "lake.png", "blue")
    film(folder / "garden.mp4", [(_stripes("green"), 2.0), (_stripes("blue"), 2.0)])
    (folder / "garden.srt").write_text(
        "1\n00:00:01,000 --> 00:00:02,500\nThe gardener waters the ferns.\n"
    )
    with mmsearch.create(place / "test.mmsearch", model="testing") as index:
        assert not index.add(folder).failed
    return place


@pytest.fixture
def holidays(tmp_path: Path, made_once: Path) -> Iterator[mmsearch.Index]:
    """What is `made_once`, for one test alone."""
    shutil.copytree(made_once, tmp_path, dirs_exist_ok=True)
    with mmsearch.open(tmp_path / "test.mmsearch") as index:
        yield index


def _stripes(colour: str) -> Image.Image:
    """A picture that is not so plain that it is taken for a blank one."""
    image = Image.new("RGB", (320, 240), colour)
    for left in range(0, 320, 40):
        ImageDraw.Draw(image).line((left, 0, left, 240), fill="white", width=2)
    return image


@pytest.fixture
def answers_while_the_loop_turns(
    holidays: mmsearch.Index, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[], Awaitable[Result]]], Result]:
    """Runs what searches while the search itself waits for the event loop to turn."""
    turned = threading.Event()
    search = holidays.search

    def waiting(*arguments: object, **options: object) -> object:
        assert turned.wait(60), "the loop stood still while it was searched"
        return search(*arguments, **options)  # type: ignore[arg-type]

    def run(ask: Callable[[], Awaitable[Result]]) -> Result:
        async def both() -> Result:
            asked = asyncio.ensure_future(ask())
            await asyncio.sleep(0.01)
            turned.set()
            return await asked

        monkeypatch.setattr(holidays, "search", waiting)
        return asyncio.run(both())

    return run
