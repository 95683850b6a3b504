"""Searching, filtering and going back on the page, in a real browser and with the demo index."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

import pytest

import mmsearch
from tests.e2e.browser import DEMO, names, pictures_loaded, search, settled, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

STORY = DEMO / "media" / "stories" / "lighthouse.mp3"
CAT = DEMO / "media" / "animals" / "chelsea.jpg"


def chips(page: Page) -> list[str]:
    return page.locator("#chips .chip").all_inner_texts()


def drop(page: Page, kind: str, name: str, data: bytes, event: str = "drop") -> None:
    """Does what the browser does when a file is dropped, or pasted."""
    page.evaluate(
        """async ([event, kind, name, text]) => {
            const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], name, { type: kind }));
            for (const one of event === "drop" ? ["dragenter", "dragover", "drop"] : ["paste"]) {
                const how = { bubbles: true, cancelable: true };
                const happens = event === "drop"
                    ? new DragEvent(one, { ...how, dataTransfer: transfer })
                    : new ClipboardEvent(one, { ...how, clipboardData: transfer });
                document.body.dispatchEvent(happens);
            }
        }""",
        [event, kind, name, base64.b64encode(data).decode()],
    )


def test_the_page_begins_with_everything(page: Page) -> None:
    assert page.inner_text("#summary") == "24 files, the newest first"
    assert names(page)[0] == "deep-field.jpg"  # the only one that says when it was taken
    video = page.locator(".tile[aria-label*='a-good-day']")
    assert video.locator(".badge").inner_text() == "0:19"  # how long it is
    assert page.locator(".tile-relevance").count() == 0  # nothing was asked


def test_a_photo_says_how_likely_it_answers(page: Page) -> None:
    search(page, "a striped cat")
    assert page.locator(".tile-relevance").first.text_content().endswith("%")
    assert "likely" in page.locator(".tile").first.get_attribute("aria-label")


def test_a_search_shows_its_hits_and_stands_in_the_address(page: Page) -> None:
    search(page, "pikolo")
    assert names(page) == ["coffee.jpg"]
    assert page.url.endswith("?q=pikolo")
    assert "1 hit" in page.inner_text("#summary")
    assert page.title() == "pikolo · mmsearch"


def test_pictures_of_hits_are_loaded(page: Page) -> None:
    search(page, "in:animals")
    assert pictures_loaded(page) == 3


def test_a_query_is_shown_as_it_is_understood(page: Page) -> None:
    search(page, "a cat^2 + leaves -dogs in:animals -ext:png")
    assert chips(page) == ["a cat\n× 2", "leaves", "not\ndogs", "in:animals", "not\next:png"]


def test_parts_of_a_query_can_be_removed(page: Page) -> None:
    search(page, "in:animals -ext:png")
    page.click("[aria-label='Remove in:animals']")
    settled(page)
    until(page, "document.querySelector('#q').value === '-ext:png'")
    page.click("[aria-label='Remove not ext:png']")
    until(page, "document.querySelector('#summary').textContent.startsWith('24 ')")
    assert page.input_value("#q") == ""


@pytest.mark.parametrize("before", ["beach ", "🐈 in the snow "])
def test_what_is_wrong_is_underlined_where_it_stands(page: Page, before: str) -> None:
    page.fill("#q", f"{before}on:monday type:image")
    page.wait_for_selector(".mark-wrong")  # while it is typed
    assert page.inner_text(".mark-wrong") == "on:monday"
    assert "takes a year, month or day" in page.inner_text("#problem")
    page.keyboard.press("Enter")
    page.wait_for_selector(".message")
    assert page.get_attribute("#q", "aria-invalid") == "true"
    search(page, "in:animals")
    assert page.inner_text("#problem") == ""
    assert page.locator(".mark-wrong").count() == 0


def test_what_is_wrong_at_the_end_of_a_long_query_is_in_sight(page: Page) -> None:
    page.goto("/?q=" + "a+dog+and+a+very+long+story+about+it+" * 8 + "width:abc")
    page.wait_for_selector(".message")
    box, mark = page.locator("#q").bounding_box(), page.locator(".mark-wrong").bounding_box()
    assert box
    assert mark
    assert box["x"] < mark["x"] < box["x"] + box["width"]


def test_a_folder_is_chosen_from_a_menu_with_counts(page: Page) -> None:
    page.click("#open-folder")
    entry = page.locator("#menu-folder .menu-entry", has_text="animals")
    assert entry.inner_text().split() == ["animals", "3"]
    entry.click()
    until(page, "document.querySelector('#summary').textContent.startsWith('3 ')")
    assert page.input_value("#q") == "in:animals"
    assert set(names(page)) == {"chelsea.jpg", "friends.jpg", "raccoon.jpg"}
    page.click("#open-folder")
    page.get_by_text("Remove this filter").click()
    until(page, "document.querySelector('#summary').textContent.startsWith('24 ')")


def test_types_add_up_and_count_within_the_other_filters(page: Page) -> None:
    search(page, "in:stories")
    page.click("#open-type")
    page.wait_for_selector("#menu-type .menu-entry")
    counts = page.locator("#menu-type .menu-entry").all_inner_texts()
    assert {tuple(re.sub(r"\s+", " ", count).strip().rsplit(" ", 1)) for count in counts} == {
        ("Speech", "2"),
        ("Videos", "1"),
    }
    page.get_by_role("button", name="Speech").click()
    until(page, "document.querySelector('#q').value.includes('type:transcript')")
    page.click("#open-type")
    page.get_by_role("button", name="Videos").click()
    until(page, "document.querySelector('#q').value.includes(',frame')")
    assert page.input_value("#q") == "in:stories type:transcript,frame"


def test_dates_are_years_with_counts_and_stretches(page: Page) -> None:
    page.click("#open-date")
    page.locator("#menu-date .menu-entry", has_text="2012").click()
    until(page, "document.querySelector('#summary').textContent.startsWith('1 ')")
    assert page.input_value("#q") == "on:2012"
    page.click("#open-date")
    page.fill("#menu-date [name=from]", "2011-05-06")
    page.fill("#menu-date [name=to]", "2013-01-01")
    page.get_by_role("button", name="Apply").click()
    until(page, "document.querySelector('#q').value.startsWith('after:')")
    assert page.input_value("#q") == "after:2011-05-06 before:2013-01-01"
    assert names(page) == ["deep-field.jpg"]


def test_back_and_forward_show_the_searches_before(page: Page) -> None:
    search(page, "in:animals")
    search(page, "in:people")
    page.go_back()
    until(page, "document.querySelector('#q').value === 'in:animals'")
    settled(page)
    assert "chelsea.jpg" in names(page)
    page.go_forward()
    until(page, "document.querySelector('#q').value === 'in:people'")
    settled(page)
    assert "grace-hopper.jpg" in names(page)
    page.reload()
    settled(page)
    assert page.input_value("#q") == "in:people"
    assert "grace-hopper.jpg" in names(page)


def test_a_dropped_picture_is_searched_by(page: Page) -> None:
    drop(page, "image/jpeg", "mine.jpg", CAT.read_bytes())
    page.wait_for_selector(".picture-preview")
    settled(page)
    until(page, "document.querySelector('.tile')?.ariaLabel.includes('chelsea.jpg')")
    assert chips(page) == ["This picture"]
    page.reload()  # the tab still has it
    settled(page)
    assert names(page)[0] == "chelsea.jpg"
    page.click("[aria-label^='Remove This picture']")
    until(page, "document.querySelector('#summary').textContent.startsWith('24 ')")


def test_a_pasted_picture_and_words_count_together(page: Page) -> None:
    drop(page, "image/jpeg", "image.png", CAT.read_bytes(), event="paste")
    page.wait_for_selector(".picture-preview")
    settled(page)
    page.fill("#q", "in:people")
    page.keyboard.press("Enter")
    until(page, "document.querySelectorAll('#chips .chip').length === 2")
    settled(page)
    assert all("chelsea" not in name for name in names(page))


def test_a_picture_can_be_picked(page: Page) -> None:
    page.set_input_files("#file", CAT)
    page.wait_for_selector(".picture-preview")
    settled(page)
    until(page, "document.querySelector('.tile')?.ariaLabel.includes('chelsea.jpg')")


def test_what_a_dropped_recording_says_becomes_the_query(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mmsearch.Index, "transcribe", lambda _index, _path: "Pikolo coffee")
    page.fill("#q", "in:people")  # it is a question of its own
    drop(page, "audio/mpeg", "said.mp3", STORY.read_bytes())
    page.locator(".toast", has_text="Heard").wait_for()  # it goes after some seconds
    until(page, "document.querySelector('#q').value === 'Pikolo coffee'")
    until(page, "document.querySelector('.tile')?.ariaLabel.includes('coffee.jpg')")
    assert page.url.endswith("?q=Pikolo+coffee")


def test_a_recording_that_cannot_be_understood_is_told_of(page: Page) -> None:
    drop(page, "", "said.wav", b"RIFF no sound at all")  # some systems know no type
    page.wait_for_selector(".message")
    assert "That did not work" in page.inner_text(".message")
    assert chips(page) == ["What the recording says"]


def test_a_picture_that_the_tab_no_longer_has_is_asked_for_again(page: Page) -> None:
    page.goto("/?picture=nothere")
    page.wait_for_selector(".message")
    assert "no longer here" in page.inner_text(".message")


def test_what_is_no_picture_is_refused_in_words(page: Page) -> None:
    drop(page, "application/zip", "all.zip", b"PK")
    page.wait_for_selector(".toast")
    assert "all.zip is neither a picture nor a recording" in page.inner_text(".toast")


def test_a_bare_unknown_filter_is_hinted_at(page: Page) -> None:
    page.fill("#q", "tyype:image beach")
    until(page, "document.querySelector('#problem').textContent.includes('type:')")
    assert page.get_attribute("#q", "aria-invalid") is None
