"""States of the page that are no hits: nothing indexed, nothing found, no server, no token."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import mmsearch
from mmsearch.testing import make_photo
from tests.e2e.browser import names, pictures_loaded, search, settled, until
from tests.server.live import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow


def make_pattern(path: Path, number: int) -> None:
    """A photo that is no copy of the others, of one of several shapes."""
    from PIL import Image

    path.parent.mkdir(exist_ok=True)
    blocks = np.random.default_rng(number).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    size = (40 + number % 7 * 12, 60)
    Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST).save(path)


@contextmanager
def opened(browser: Browser, address: str) -> Iterator[Page]:
    """A page of another server than the demo's."""
    context = browser.new_context(base_url=address)
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.goto("/")
    yield page
    context.close()


def wait_for_text(page: Page, selector: str, text: str) -> None:
    page.locator(selector, has_text=text).first.wait_for()


def test_an_empty_index_says_how_to_fill_it(browser: Browser, index: mmsearch.Index) -> None:
    from mmsearch.server.app import create_app

    with serving(create_app({"photos": index})) as address, opened(browser, address) as page:
        wait_for_text(page, ".message", "Nothing is indexed yet")
        command = page.inner_text(".command")
        assert shlex.split(command) == ["mmsearch", "index", "FOLDER", "--index", str(index.path)]
        search(page, "a dog")
        wait_for_text(page, ".message", "Nothing is indexed yet")


def test_an_index_of_one_photo(browser: Browser, index: mmsearch.Index, tmp_path: Path) -> None:
    from mmsearch.server.app import create_app

    make_photo(tmp_path / "rose.jpg", "red")
    index.add(tmp_path / "rose.jpg")
    with serving(create_app({"one": index})) as address, opened(browser, address) as page:
        settled(page)
        assert page.inner_text("#summary") == "1 file, the newest first"
        search(page, "red")
        assert names(page) == ["rose.jpg"]


def test_nothing_answers_and_the_nearest_all_the_same(
    browser: Browser, index: mmsearch.Index, photos: Path
) -> None:
    from mmsearch.server.app import create_app

    index.add(photos)
    with serving(create_app({"colours": index})) as address, opened(browser, address) as page:
        settled(page)
        search(page, "zebra")
        wait_for_text(page, ".message", "Nothing here answers that")
        page.get_by_role("button", name="Show the nearest all the same").click()
        page.wait_for_selector(".tile")
        assert len(names(page)) == 4
        assert "all=1" in page.url
        wait_for_text(page, "#end", "Also what hardly answers is shown")
        page.get_by_role("button", name="Only likely hits").click()
        wait_for_text(page, ".message", "Nothing here answers that")


def test_no_hits_because_of_filters(page: Page) -> None:
    search(page, "in:animals type:transcript")
    wait_for_text(page, ".message", "No hits")
    page.get_by_role("button", name="Remove the filters").click()
    until(page, "document.querySelector('#summary').textContent.startsWith('24 ')")


def test_an_unknown_folder_is_told_as_the_server_tells_it(page: Page) -> None:
    search(page, "in:nowhere")
    wait_for_text(page, "#problem", "Nothing is indexed under nowhere")
    assert page.inner_text(".mark-wrong") == "in:nowhere"


def test_the_page_goes_on_when_the_server_is_back(page: Page) -> None:
    page.context.set_offline(True)
    page.fill("#q", "in:animals")
    page.keyboard.press("Enter")
    wait_for_text(page, ".message", "The server does not answer")
    page.context.set_offline(False)
    page.wait_for_selector(".tile")  # by itself
    assert len(names(page)) == 3


def test_an_answer_that_is_cut_off_is_asked_for_again(page: Page) -> None:
    page.route("**/search?*", lambda route: route.fulfill(body='{"hits": [', status=200))
    page.fill("#q", "in:animals")
    page.keyboard.press("Enter")
    wait_for_text(page, ".message", "The server does not answer")
    page.unroute("**/search?*")
    page.wait_for_selector(".tile")
    assert len(names(page)) == 3


def test_a_file_that_is_gone_leaves_a_named_tile(
    browser: Browser, index: mmsearch.Index, photos: Path
) -> None:
    from mmsearch.server.app import create_app

    index.add(photos)
    (photos / "red.png").unlink()
    with serving(create_app({"colours": index})) as address, opened(browser, address) as page:
        wait_for_text(page, ".tile-gone", "red.png")
        assert page.locator(".tile").count() == 4
        page.locator(".tile[aria-label*='red.png']").click()
        wait_for_text(page, ".stage-gone", "gone")


def test_a_token_is_asked_for_and_lets_pictures_load(
    browser: Browser, index: mmsearch.Index, photos: Path
) -> None:
    from mmsearch.server.app import create_app
    from mmsearch.server.options import ServerOptions

    index.add(photos)
    app = create_app({"colours": index}, options=ServerOptions(token="open-sesame"))
    with serving(app) as address, opened(browser, address) as page:
        page.wait_for_selector("#session[open]")
        page.fill("#token", "open-barley")
        page.keyboard.press("Enter")
        wait_for_text(page, "#session-problem", "not the token")
        page.fill("#token", "open-sesame")
        page.keyboard.press("Enter")
        settled(page)
        page.wait_for_selector("#session:not([open])", state="attached")
        assert pictures_loaded(page) == 4
        page.reload()
        settled(page)
        assert page.is_hidden("#session")


def test_several_indexes_can_be_chosen_between(
    browser: Browser, index: mmsearch.Index, photos: Path, tmp_path: Path
) -> None:
    from mmsearch.server.app import create_app

    index.add(photos)
    make_photo(tmp_path / "else" / "lake.jpg", "blue")
    with mmsearch.create(tmp_path / "second.mmsearch", model="testing") as second:
        second.add(tmp_path / "else")
        app = create_app({"first": index, "second": second})
        with serving(app) as address, opened(browser, address) as page:
            settled(page)
            assert len(names(page)) == 4
            page.select_option("#index", label="second")
            until(page, "document.querySelector('#summary').textContent.startsWith('1 ')")
            assert names(page) == ["lake.jpg"]
            assert "index=second" in page.url
            page.go_back()
            until(page, "document.querySelector('#summary').textContent.startsWith('4 ')")
            page.set_viewport_size({"width": 360, "height": 740})  # both have room on a phone
            box, choice = page.locator("#search"), page.locator("#index")
            assert box.evaluate("one => one.clientWidth") > 240
            assert choice.evaluate("one => one.clientWidth") > 240


def test_copies_are_reviewed_side_by_side(
    browser: Browser, index: mmsearch.Index, photos: Path
) -> None:
    from mmsearch.server.app import create_app

    (photos / "backup").mkdir()
    (photos / "backup" / "red.png").write_bytes((photos / "red.png").read_bytes())
    index.add(photos)
    with serving(create_app({"colours": index})) as address, opened(browser, address) as page:
        settled(page)
        page.keyboard.press("d")
        page.get_by_role("button", name="Same file").click()
        page.wait_for_selector(".group")
        assert page.locator(".group").count() == 1
        assert page.locator(".copy").count() == 2
        assert page.locator(".is-best").count() == 1
        wait_for_text(page, ".duplicates-summary", "1 group, 1 copy")
        assert page.title() == "Duplicates · mmsearch"
        page.get_by_role("button", name="Back to search").click()
        page.wait_for_selector(".tile", state="visible")


def test_a_file_without_copies_has_no_group(page: Page) -> None:
    page.goto("/?view=duplicates&match=exact")
    wait_for_text(page, ".message", "No duplicates")


def test_indexing_shows_its_progress_and_then_what_is_new(
    browser: Browser, index: mmsearch.Index, photos: Path
) -> None:
    from mmsearch.server.app import create_app

    index.add(photos)
    with serving(create_app({"colours": index})) as address, opened(browser, address) as page:
        settled(page)
        assert len(names(page)) == 4
        make_photo(photos / "purple.png", "magenta")
        page.click("#open-menu")
        page.click("#do-update")
        wait_for_text(page, ".toast", "1 added")
        until(page, "document.querySelector('#summary').textContent.startsWith('5 ')")
        assert "purple.png" in names(page)
        assert page.is_hidden("#job")


TWO_FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def test_only_rows_near_the_window_are_in_the_document(
    browser: Browser, index: mmsearch.Index, tmp_path: Path
) -> None:
    from mmsearch.server.app import create_app

    for number in range(700):
        make_pattern(tmp_path / "many" / f"{number:03}.png", number)
    index.add(tmp_path / "many")
    with serving(create_app({"many": index})) as address, opened(browser, address) as page:
        settled(page)
        until(
            page,
            "scrollTo(0, document.body.scrollHeight) ||"  # at whose end more are asked for
            " document.querySelector('#summary').textContent === '700 files, the newest first'",
        )
        page.evaluate("scrollTo(0, 0)")
        page.evaluate(TWO_FRAMES)  # rows are put there in the first
        seen = set(names(page))
        while not page.evaluate("scrollY + innerHeight >= document.body.scrollHeight - 2"):
            page.evaluate("scrollBy(0, innerHeight * 0.9)")
            page.evaluate(TWO_FRAMES)
            assert page.locator(".tile").count() < 150
            seen.update(names(page))
        assert len(seen) == 700
        rows = page.locator(".row").evaluate_all("rows => rows.map(row => +row.dataset.row)")
        assert rows == sorted(rows)  # Tab goes through them in their order
        search(page, "type:image")
        page.locator(".tile").first.focus()
        for _ in range(1000):  # more hits come, and the last row is laid anew: the focus stays
            page.keyboard.press("End")
            page.wait_for_timeout(20)
            if page.evaluate("document.activeElement.dataset.position") == "699":
                break
        assert page.evaluate("document.activeElement.dataset.position") == "699"
