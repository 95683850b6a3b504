"""The page that ``mmsearch query --html`` writes."""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path

import pytest

from mmsearch.errors import OutputError
from mmsearch.items import Hit, MediaInfo, Modality
from mmsearch.results.page import Heading, as_page, save_page
from mmsearch.testing import make_photo
from tests.results.test_hits import Shown, hit, picture_in

HEADING = Heading("a <red> wall & more", "testing", datetime(2024, 5, 6, 7, 8), hidden=3)


def page_of(*hits: Hit, heading: Heading = HEADING) -> Shown:
    return Shown("".join(as_page(hits, heading)))


def test_it_tells_what_was_asked_and_found(tmp_path: Path) -> None:
    photo = make_photo(tmp_path / "wall.png", "red", size=(1200, 800))
    info = MediaInfo(width=1200, height=800, captured_at=datetime(2020, 1, 2), camera="Canon")
    copies = (hit(tmp_path / "copy.png"),)
    spoken = hit(photo, modality=Modality.TRANSCRIPT, start=64.0, end=70.0, text="so red")

    shown = page_of(hit(photo, info=info, text="a wall", copies=copies, others=(spoken,)))

    assert shown.of("html") == [{"lang": "en"}]
    assert shown.texts.count("a <red> wall & more") == 1  # the heading
    assert "1 hit · 3 less likely left out · 2024-05-06 07:08 · encoder testing" in shown.texts
    assert "2020-01-02 · 1200 × 800 · Canon" in shown.texts
    assert {"wall.png", "97%", "a wall", "1:04-1:10 “so red”", "and 1 copy"} <= set(shown.texts)
    with picture_in(shown.of("img")[0]["src"]) as picture:
        assert picture.size == (512, 341)
    assert shown.of("img")[0]["alt"] == "a wall"


def test_a_photo_that_answers_by_its_caption_and_itself(tmp_path: Path) -> None:
    photo = make_photo(tmp_path / "wall.png", "red")
    caption = hit(photo, modality=Modality.CAPTION, text="a wall", others=(hit(photo),))
    assert "the photo itself" in page_of(caption).texts
    assert page_of(hit(photo)).of("img")[0]["alt"] == ""  # its name is read out anyway


def test_links_lead_to_the_file_at_its_moment(tmp_path: Path) -> None:
    odd = tmp_path / "50% #1?.mp3"
    shown = page_of(hit(odd, modality=Modality.TRANSCRIPT, start=12.5, end=13.0))
    assert shown.of("a")[0]["href"] == f"{tmp_path.as_uri()}/50%25%20%231%3F.mp3#t=12.5"


def test_it_asks_nobody_for_anything(tmp_path: Path) -> None:
    shown = page_of(hit(make_photo(tmp_path / "wall.png")))

    assert not shown.of("script")
    assert not shown.of("link")
    assert {element for element, values in shown.elements if "src" in values} == {"img"}
    policy = next(m["content"] for m in shown.of("meta") if "http-equiv" in m)
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    assert not re.search(r"url\(|@import", "".join(as_page([], HEADING)))


def test_texts_and_names_are_no_markup(tmp_path: Path) -> None:
    photo = make_photo(tmp_path / "<b>.png")
    wicked = '"></article><script>alert(1)</script>'
    heading = Heading(wicked, wicked, datetime(2024, 5, 6))

    shown = page_of(hit(photo, text=wicked, info=MediaInfo(camera=wicked)), heading=heading)

    assert not shown.of("script")
    assert wicked in shown.texts
    assert "<b>.png" in shown.texts


def test_nothing_found_is_a_page_too() -> None:
    assert "Nothing here answers that." in page_of().texts
    examples_alone = Heading(None, "testing", datetime(2024, 5, 6))
    assert "Search results" in page_of(heading=examples_alone).texts


def test_a_page_replaces_a_page_and_nothing_else(tmp_path: Path) -> None:
    page, photo = tmp_path / "found.html", make_photo(tmp_path / "wall.png")
    save_page([], HEADING, page)
    save_page([hit(photo)], HEADING, page)
    assert b"wall.png" in page.read_bytes()

    before = photo.read_bytes()
    for path in (photo, tmp_path, tmp_path / "missing" / "found.html"):
        with pytest.raises(OutputError):
            save_page([], HEADING, path)
    assert photo.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["found.html", "wall.png"]  # noqa: PTH208


def test_the_command_writes_it_beside_the_list(mmsearch, tmp_path: Path, photos: Path) -> None:
    mmsearch("index", photos, "--model", "testing", "--index", "./i")

    done = mmsearch("query", "red", "--index", "./i", "--html", "found.html", "-k", "1")
    assert "red.png" in done.stdout
    assert "The page is found.html." in done.stderr
    shown = Shown((tmp_path / "found.html").read_text(encoding="utf-8"))
    assert "red.png" in shown.texts

    done = mmsearch("query", "red", "--index", "./i", "--html", photos / "red.png", code=1)
    assert "is there already, and no page of mmsearch" in done.stderr
    assert done.stdout == ""
