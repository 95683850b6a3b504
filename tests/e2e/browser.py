"""Chromium for tests of the page, and what several of them do with it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DEMO = Path(__file__).resolve().parents[2] / "indexes" / "demo"

# Playwright's own browsers are another download; a system's Chromium is as good.
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, without a window; skips the test where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    path = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=path,
            # Containers have no sandbox of the kernel's; only this server's page is opened.
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
        )
        try:
            yield browser
        finally:
            browser.close()


def until(page: Page, condition: str, *, seconds: float = 30) -> None:
    """Waits until something holds in the page.

    Playwright's own way evaluates text inside the page, which the page's policy forbids.
    """
    deadline = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, f"not within {seconds} s: {condition}"
        page.wait_for_timeout(20)


def search(page: Page, query: str) -> None:
    """Types a query, sends it, and waits for what comes of it."""
    page.fill("#q", query)
    page.keyboard.press("Enter")
    settled(page)


def settled(page: Page) -> None:
    """Waits until what was searched for last is answered: by hits, or a message."""
    until(page, "document.querySelector('#main').ariaBusy === 'false'")
    page.wait_for_selector(".tile, .message", state="visible")


def pictures_loaded(page: Page) -> int:
    """Waits until the pictures of all tiles are there; tells how many they are."""
    until(page, "[...document.querySelectorAll('.tile-image')].every(one => one.naturalWidth)")
    return page.locator(".tile-image").count()


def names(page: Page) -> list[str]:
    """What the tiles that are in the document are called, in their order."""
    labels = page.locator(".tile").evaluate_all(
        "tiles => tiles.map(tile => tile.getAttribute('aria-label'))"
    )
    return [label.split(", ")[1] for label in labels]
