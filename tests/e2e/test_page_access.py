"""The page without a mouse, on a phone, in the dark, and as assistive technology sees it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import pytest

from tests.e2e.browser import names, search, settled, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

GRAVE = ("serious", "critical")


def focused(page: Page) -> str:
    """What has the focus, as it is called."""
    label: str = page.evaluate(
        "document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText"
    )
    return label


def brightness(page: Page) -> float:
    """Of the page's ground, 0 to 1."""
    mean: float = page.evaluate(
        """() => {
            const canvas = document.createElement("canvas").getContext("2d");
            canvas.fillStyle = getComputedStyle(document.body).backgroundColor;
            canvas.fillRect(0, 0, 1, 1);
            const [red, green, blue] = canvas.getImageData(0, 0, 1, 1).data;
            return (red + green + blue) / 765;
        }"""
    )
    return mean


def violations(page: Page) -> list[Any]:
    """What axe-core finds that keeps people out."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    # What fades in is there: contrast is judged as it is seen.
    until(page, "document.getAnimations().every(one => one.playState !== 'running')")
    found = axe.run(page).response["violations"]
    return [
        (one["id"], [node["html"] for node in one["nodes"]])
        for one in found
        if one["impact"] in GRAVE
    ]


def test_everything_can_be_done_by_keys(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("in:animals")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#summary').textContent.startsWith('3 ')")
    order = names(page)
    page.keyboard.press("Escape")  # out of the box
    page.keyboard.press("ArrowDown")
    assert order[0] in focused(page)
    page.keyboard.press("ArrowRight")
    assert order[1] in focused(page)
    page.keyboard.press("End")
    assert order[2] in focused(page)
    page.keyboard.press("Enter")
    page.wait_for_selector("#detail[open]")
    assert page.inner_text("#detail-title") == order[2]
    page.keyboard.press("Escape")
    page.wait_for_selector("#detail:not([open])", state="attached")
    until(page, "document.activeElement.dataset.position === '2'")
    page.keyboard.press("?")
    page.wait_for_selector("#help[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("#help:not([open])", state="attached")


def test_tab_reaches_every_control_and_one_tile(page: Page) -> None:
    search(page, "in:animals")
    page.keyboard.press("/")
    reached = []
    for _ in range(14):
        page.keyboard.press("Tab")
        reached.append(focused(page))
    for name in ("Clear the search", "Menu", "Type", "Folder", "Date", "Varied"):
        assert name in reached
    assert sum("Photo, " in name for name in reached) == 1


def test_rows_are_walked_as_they_lie(page: Page) -> None:
    page.locator(".tile").first.focus()
    before = page.evaluate("document.activeElement.getBoundingClientRect().toJSON()")
    page.keyboard.press("ArrowDown")
    after = page.evaluate("document.activeElement.getBoundingClientRect().toJSON()")
    assert after["top"] > before["top"]
    assert abs(after["left"] - before["left"]) < before["width"]
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.dataset.position") == "0"


def test_results_are_announced(page: Page) -> None:
    search(page, "in:animals")
    until(page, "document.querySelector('#announcement').textContent === '3 hits.'")
    page.locator(".tile").first.click()
    page.wait_for_selector("#detail[open]")  # outside of which nothing is read
    said = page.get_by_role("dialog").get_by_role("status")
    assert names(page)[0] in said.inner_text()
    page.keyboard.press("c")
    until(page, "document.querySelector('#detail .announcement').textContent.includes('ath')")


def test_a_note_takes_the_place_of_the_one_before(page: Page) -> None:
    shown = page.evaluate(
        """async () => {
            const { toast } = await import("./page/lib/announce.js");
            for (const note of ["one", "another"]) toast(note);
            return [...document.querySelectorAll(".toast")].map(one => one.textContent);
        }"""
    )
    assert shown == ["another"]


def test_the_page_fits_a_phone(browser: Browser, demo_server: str) -> None:
    context = browser.new_context(
        viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True
    )
    page = context.new_page()
    page.goto(f"{demo_server}/?q=-in:animals+type:image,transcript")
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    boxes = [box.bounding_box() for box in page.locator(".tile").all()]
    assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= 360 for box in boxes)
    page.tap("#open-date")
    page.wait_for_selector(".menu-stretch")
    assert page.evaluate(
        "(panel => panel.scrollWidth === panel.clientWidth)(document.querySelector('#menu-date'))"
    )
    page.keyboard.press("Escape")
    page.tap("#open-menu")
    page.tap("#do-help")
    page.wait_for_selector("#help[open]")
    assert page.evaluate("document.querySelector('#help').scrollTop") == 0
    page.keyboard.press("Escape")
    page.locator(".tile").first.tap()
    page.wait_for_selector("#detail[open]")
    assert page.evaluate("document.querySelector('#detail').scrollWidth") <= 360
    context.close()


def test_a_menu_at_the_edge_is_seen_whole_where_nothing_scrolls(page: Page) -> None:
    search(page, "in:animals")
    page.click("#open-menu")
    page.wait_for_selector("#menu")
    edges = (
        "['#menu', 'body'].map(one => document.querySelector(one).getBoundingClientRect().right)"
    )
    menu, seen = page.evaluate(edges)
    assert menu < seen


def test_the_focus_stays_among_the_chips(page: Page) -> None:
    search(page, "cat -dog in:animals")
    for removed, left in (("cat", ["-dog", "in:animals"]), ("-dog", ["in:animals"])):
        page.get_by_role("button", name=f"Remove {removed.replace('-', 'not ')}").press("Enter")
        until(page, f"document.querySelector('#q').value === {' '.join(left)!r}")
        settled(page)
        until(page, f"document.querySelectorAll('.chip').length === {len(left)}")
        assert focused(page).startswith("Remove ")
    page.keyboard.press("Enter")
    until(page, "document.activeElement.id === 'q'")


def test_indexing_can_be_stopped_by_keys_while_it_goes_on(page: Page) -> None:
    far = {"done": 1, "total": 4}
    job = {"id": "1", "state": "running", "waits_for": None, "report": None, "error": None}
    event = "retry: 20\nevent: progress\ndata: {}\n\n"
    page.route("**/jobs", lambda route: route.fulfill(json={"jobs": [job | far]}))
    page.route(
        "**/jobs/1/events",
        lambda route: route.fulfill(
            content_type="text/event-stream", body=event.format(json.dumps(far))
        ),
    )
    page.reload()
    page.get_by_text("Indexing 1 of 4 files", exact=True).wait_for()
    page.get_by_role("button", name="Stop indexing").focus()
    far["done"] = 2
    page.get_by_text("Indexing 2 of 4 files", exact=True).wait_for()
    assert focused(page) == "Stop indexing"
    until(page, "document.querySelector('#announcement').textContent.includes('2 of 4')")


def test_a_low_window_is_not_covered_by_what_stays_on_top(
    browser: Browser, demo_server: str
) -> None:
    page = browser.new_page(viewport={"width": 640, "height": 400})  # 1280 x 800 at 200%
    page.goto(demo_server)
    settled(page)
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowDown")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    top, tile = page.evaluate(
        "[document.querySelector('.top'), document.activeElement]"
        ".map(one => one.getBoundingClientRect().toJSON())"
    )
    assert top["bottom"] <= 0
    assert tile["top"] >= 0
    assert tile["bottom"] <= 400
    page.close()


def test_what_the_system_asks_for_is_done(browser: Browser, demo_server: str) -> None:
    context = browser.new_context(forced_colors="active", reduced_motion="reduce")
    page = context.new_page()
    page.goto(demo_server)
    settled(page)
    page.click("#open-menu")
    chosen, expected = page.evaluate(
        """() => {
            const probe = document.createElement("i");
            probe.style.backgroundColor = "Highlight";
            document.body.append(probe);
            const chosen = document.querySelector("#theme-system");
            return [chosen, probe].map(one => getComputedStyle(one).backgroundColor);
        }"""
    )
    assert chosen == expected
    assert (
        page.evaluate(
            "getComputedStyle(document.querySelector('#busy'), '::after').animationIterationCount"
        )
        == "1"
    )
    context.close()


def test_a_moment_on_a_phone_leaves_the_player_in_sight(browser: Browser, demo_server: str) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 640}, has_touch=True)
    page = context.new_page()
    page.goto(f"{demo_server}/?q=%22electric+since%22")
    settled(page)
    page.locator(".tile").first.tap()
    page.wait_for_selector(".moment[aria-current]")
    until(page, "document.querySelector('.moments').scrollTop > 0")
    assert page.evaluate("document.querySelector('#detail').scrollTop") == 0
    player = page.locator("audio").bounding_box()
    assert player
    assert player["x"] >= 0
    assert player["x"] + player["width"] <= 360
    assert page.evaluate("document.querySelector('#detail').scrollWidth") <= 360
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_system_s_colours_are_taken_and_can_be_changed(
    browser: Browser, demo_server: str, scheme: Literal["light", "dark"]
) -> None:
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto(demo_server)
    settled(page)
    is_dark = scheme == "dark"
    assert (brightness(page) < 0.3) == is_dark
    page.click("#open-menu")
    page.click("#theme-light" if is_dark else "#theme-dark")
    assert (brightness(page) < 0.3) != is_dark
    page.reload()
    settled(page)
    assert (brightness(page) < 0.3) != is_dark
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_grave(
    browser: Browser, demo_server: str, scheme: Literal["light", "dark"]
) -> None:
    context = browser.new_context(color_scheme=scheme, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(30_000)

    def show(address: str, wait_for: str) -> None:
        page.goto(f"{demo_server}/{address}")
        page.wait_for_selector(wait_for)

    show("", ".tile")
    assert violations(page) == [], "start"
    page.click("#open-menu")
    assert violations(page) == [], "menu"
    show("?q=in:animals+-dogs+cat&all=1", ".chip")
    page.wait_for_selector(".tile")
    assert violations(page) == [], "chips"
    page.click("#open-folder")
    page.wait_for_selector(".menu-entry")
    assert violations(page) == [], "folders"
    show("?q=on:monday", ".message")
    assert violations(page) == [], "syntax error"
    show("?q=in:animals", ".tile")
    page.locator(".tile").first.click()
    page.wait_for_selector(".strip img")
    assert violations(page) == [], "photo"
    show("?q=a+striped+cat+in:animals", ".tile")
    page.locator(".tile").first.click()
    page.click("#detail-explain")
    page.wait_for_selector(".effects")
    assert violations(page) == [], "explanation"
    show("?q=in:animals+type:transcript", ".message")
    assert violations(page) == [], "no hits"
    show("?q=%22sounded+the+horn%22", ".tile")
    page.locator(".tile").first.click()
    page.wait_for_selector(".moment")
    assert violations(page) == [], "recording"
    show("?view=duplicates&match=exact", ".duplicates")
    assert violations(page) == [], "duplicates"
    page.keyboard.press("?")
    page.wait_for_selector("#help[open]")
    assert violations(page) == [], "help"
    context.close()
