"""The page of ``mmsearch query --html``, in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import mmsearch
from mmsearch.results.page import Heading, save_page
from tests.e2e.browser import DEMO, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

GRAVE = ("serious", "critical")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with photos, a video, a recording and a text."""
    path = tmp_path_factory.mktemp("page") / "found.html"
    with mmsearch.open(DEMO) as index:
        hits = index.search("what happened at night", k=24)
        save_page(hits, Heading("at <night>", index.encoder_id, datetime.now(), 2), path)
    assert {hit.path.suffix for hit in hits} >= {".jpg", ".mp4", ".mp3", ".md"}
    return path


@pytest.fixture
def page(browser: Browser, saved: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """It, opened; fails the test where anything is asked for or refused."""
    context = browser.new_context(
        **{"viewport": {"width": 1280, "height": 800}, **getattr(request, "param", {})}
    )
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on(
        "request",
        lambda asked: (
            None
            if asked.url.startswith("data:") or asked.url == saved.as_uri()
            else said.append(asked.url)
        ),
    )
    opened.goto(saved.as_uri())
    yield opened
    context.close()
    assert not said


def test_all_pictures_are_in_it(page: Page) -> None:
    assert page.inner_text("h1") == "at <night>"
    page.evaluate("[...document.images].forEach(i => i.loading = 'eager')")
    until(page, "[...document.images].every(image => image.complete)")
    seen = page.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert len(seen) >= 10
    assert all(width > 100 for width in seen)


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"color_scheme": "dark"},
        {"viewport": {"width": 360, "height": 640}},
    ],
    indirect=True,
)
def test_it_keeps_nobody_out_and_nothing_sticks_out(page: Page) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in GRAVE] == []
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) == 0


def test_it_is_walked_through_with_the_keyboard(page: Page) -> None:
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    second = page.evaluate("document.activeElement === document.querySelectorAll('main a')[1]")
    assert second


def test_it_is_printed_in_ink_on_white(page: Page) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    assert len(page.pdf(format="A4")) > 10_000
