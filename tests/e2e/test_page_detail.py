"""The detail view: what plays plays from its moment, and a hit leads on to others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.browser import names, search, settled, until
from tests.server.live import serving

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    import mmsearch

pytestmark = pytest.mark.slow


def open_first(page: Page) -> None:
    page.locator(".tile").first.click()
    page.wait_for_selector("#detail[open]")


def open_named(page: Page, name: str) -> None:
    page.locator(f".tile[aria-label*='{name}']").click()
    page.wait_for_selector("#detail[open]")


@pytest.mark.parametrize(
    ("query", "player", "start"),
    [
        ('"sounded the horn"', "audio", 11.0),
        ('"waits for the countdown"', "video", 9.0),
    ],
)
def test_a_hit_in_timed_media_plays_from_its_moment(
    page: Page, query: str, player: str, start: float
) -> None:
    search(page, query)
    open_first(page)
    until(page, f"document.querySelector('{player}').played.length > 0")
    began = page.evaluate(f"document.querySelector('{player}').played.start(0)")
    assert start - 1 < began < start + 5
    until(page, f"!document.querySelector('{player}').paused")
    page.wait_for_selector(".moment[aria-current]")
    page.locator(".moment").first.click()
    until(page, f"document.querySelector('{player}').currentTime < {start - 1}")
    page.keyboard.press("Escape")
    page.wait_for_selector("#detail:not([open])", state="attached")
    assert page.locator(player).count() == 0  # nothing plays on unseen


def test_the_detail_view_tells_what_is_known(page: Page) -> None:
    search(page, "in:places -ext:png")
    open_named(page, "summer-palace.jpg")
    assert page.inner_text("#detail-title") == "summer-palace.jpg"
    page.wait_for_selector(".texts li")
    assert page.locator(".texts li").count() == 1  # its caption
    facts = page.inner_text(".facts")
    assert "640 × 427" in facts
    assert "kB" in facts
    until(page, "document.querySelector('.stage-image').naturalWidth > 0")
    page.wait_for_selector(".strip img")


def test_a_photo_that_browsers_do_not_show_opens_as_one_that_they_do(
    page: Page, unshown_server: str
) -> None:
    page.goto(f"{unshown_server}/?q=ext:tiff")
    settled(page)
    open_first(page)
    link = page.get_by_role("link", name="As JPEG").get_attribute("href")
    file = page.get_by_role("link", name="Download").get_attribute("href")
    assert link
    assert file
    assert page.request.get(link).headers["content-type"] == "image/jpeg"
    headers = page.request.get(file).headers
    assert headers["content-type"] == "image/tiff"
    assert headers["content-disposition"].startswith("attachment")


def test_names_of_other_directions_keep_their_place_in_a_path(
    browser: Browser, index: mmsearch.Index, tmp_path: Path
) -> None:
    from PIL import Image

    from mmsearch.server.app import create_app

    folder = tmp_path / "צילומים"
    folder.mkdir()
    Image.new("RGB", (60, 40), "red").save(folder / "2019.png")
    index.add(folder)
    with serving(create_app({"photos": index})) as address:
        page = browser.new_page()
        page.goto(address)
        settled(page)
        open_first(page)
        assert page.inner_text(".detail-path .path") == str(folder / "2019.png")
        *_, before, name = page.locator(".detail-path bdi bdi").all()
        left, right = before.bounding_box(), name.bounding_box()
        assert left
        assert right
        assert left["x"] + left["width"] < right["x"]
        page.close()


def test_facts_lead_to_what_shares_them(page: Page) -> None:
    search(page, "in:animals")
    open_first(page)
    page.locator(".facts .link").click()
    page.wait_for_selector("#detail:not([open])", state="attached")
    settled(page)
    assert page.input_value("#q").startswith("in:")
    assert len(names(page)) == 3


def test_keys_step_through_the_hits(page: Page) -> None:
    search(page, "in:animals")
    order = names(page)
    open_first(page)
    for name in order[1:]:
        page.keyboard.press("ArrowRight")
        until(page, f"document.querySelector('#detail-title').textContent === '{name}'")
    assert page.is_hidden("#detail-next")
    page.keyboard.press("ArrowLeft")
    until(page, f"document.querySelector('#detail-title').textContent === '{order[1]}'")
    page.go_back()  # over all steps, to where it was opened
    page.wait_for_selector("#detail:not([open])", state="attached")
    assert page.input_value("#q") == "in:animals"


def test_an_address_with_an_item_opens_it(page: Page) -> None:
    search(page, "in:animals")
    open_named(page, "raccoon.jpg")
    page.goto(page.url)
    page.wait_for_selector("#detail[open]")
    assert page.inner_text("#detail-title") == "raccoon.jpg"
    page.goto("/?item=1")  # of no search
    page.wait_for_selector("#detail[open]")
    page.click("#detail-close")
    page.wait_for_selector("#detail:not([open])", state="attached")
    assert "item" not in page.url


def test_an_item_that_is_not_there_is_told_of(page: Page) -> None:
    page.goto("/?item=999999")
    page.wait_for_selector(".message")
    assert "999999" in page.inner_text(".message")


def test_why_a_hit_answers_is_drawn_over_its_picture(page: Page) -> None:
    search(page, "a striped cat in:animals")
    open_named(page, "chelsea.jpg")
    page.click("#detail-explain")
    page.wait_for_selector("canvas.heat")
    assert page.locator(".effect-word", has_text="cat").count() == 1
    assert page.locator(".effect-sign").first.inner_text() in ("+", "−")
    place = "document.querySelector('{}').getBoundingClientRect().toJSON()"
    frame, heat = page.evaluate(f"[{place.format('.frame')}, {place.format('.heat')}]")
    assert frame == heat
    assert page.evaluate("getComputedStyle(document.querySelector('.heat')).objectFit") == "fill"
    page.keyboard.press("w")
    page.wait_for_selector("canvas.heat", state="detached")


def test_more_and_less_like_a_hit_refine_the_search(page: Page) -> None:
    page.goto("/?all=1")
    settled(page)
    open_named(page, "chelsea.jpg")
    page.keyboard.press("m")
    page.wait_for_selector("#detail:not([open])", state="attached")
    until(page, "document.querySelector('#chips .chip')?.textContent === 'More like'")
    settled(page)
    assert names(page)[0] == "chelsea.jpg"
    open_named(page, "raccoon.jpg")
    page.keyboard.press("l")
    until(page, "document.querySelectorAll('#chips .chip').length === 2")
    settled(page)
    until(page, "!document.querySelector('.tile[aria-label*=\"raccoon\"]')")
    page.click("[aria-label^='Remove Less like']")
    page.wait_for_selector(".tile[aria-label*='raccoon']")


def test_places_are_shown_on_a_map_and_lead_to_what_is_nearby(
    page: Page, placed_server: str
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=placed_server)
    page.goto(f"{placed_server}/?q=ext:jpg")
    settled(page)
    open_first(page)
    assert page.inner_text(".place-figures") == "48.2000° N, 16.4000° E"
    assert page.get_attribute(".map", "aria-label") == "Map: 48.2000° N, 16.4000° E"
    page.click("[aria-label='Copy the coordinates']")
    page.wait_for_selector(".toast")
    assert page.evaluate("navigator.clipboard.readText()") == "48.2, 16.4"
    page.get_by_role("button", name="Nearby").click()
    until(page, "document.querySelector('#q').value === 'near:48.2,16.4,5'")
