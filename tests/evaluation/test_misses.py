"""Pictures of the worst misses."""

from __future__ import annotations

import io
import sys
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmsearch.errors import OutputError
from mmsearch.evaluation.datasets import CaptionedPhotos
from mmsearch.evaluation.evaluate import evaluate
from mmsearch.evaluation.misses import require_picture_suffix, worst_misses, write_misses
from mmsearch.testing import TinyEncoder

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Checks that elements close in order, and collects texts and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], "all is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def test_the_worst_come_first_and_no_photo_twice(colours: CaptionedPhotos) -> None:
    report = evaluate(TinyEncoder(seed=3), colours)
    misses = worst_misses(report, count=3)
    ranks = report.first.results["text_to_image"].ranking.ranks
    assert misses.missed == np.count_nonzero(ranks > 1)
    assert (misses.captions, misses.photos) == (16, 8)
    shown = [miss.right.rank for miss in misses.worst]
    assert shown[0] == ranks.max()
    assert shown == sorted(shown, reverse=True)
    photos = [miss.right.photo for miss in misses.worst]
    assert len(set(photos)) == 3
    for miss in misses.worst:
        assert len(miss.instead) == 5
        assert miss.right.photo not in [other.photo for other in miss.instead]
        places = [other.rank for other in miss.instead]
        assert places == [place for place in range(1, 7) if place != miss.right.rank][:5]


def test_the_page_stands_alone(colours: CaptionedPhotos, tmp_path: Path) -> None:
    captions = ('<b>red & "paint"</b>', *colours.captions[1:])
    dataset = CaptionedPhotos(colours.photos, captions, colours.photo_of_caption)
    report = evaluate(TinyEncoder(), dataset, rerankers=["testing"])
    colours.photos[3].unlink()
    write_misses(tmp_path / "misses.HTML", report)
    text = (tmp_path / "misses.HTML").read_text("utf-8")
    page = Page(text)
    assert text.startswith("<!doctype html>")
    assert "http" not in text
    assert page.links
    for link in page.links:
        kind, _, data = link.partition(",")
        assert kind == "data:image/jpeg;base64"
        with Image.open(io.BytesIO(b64decode(data, validate=True))) as image:
            image.load()
    assert "Worst misses of testing@1 + testing" in page.texts
    assert "something else" in page.texts
    assert "cannot be read" in page.texts
    assert "prefers-color-scheme: dark" in text


def test_markup_in_captions_is_text(colours: CaptionedPhotos, tmp_path: Path) -> None:
    captions = ("<script>alert(1)</script> & more",) * 16
    dataset = CaptionedPhotos(colours.photos, captions, colours.photo_of_caption)
    write_misses(tmp_path / "misses.html", evaluate(TinyEncoder(), dataset))
    assert captions[0] in Page((tmp_path / "misses.html").read_text("utf-8")).texts


def test_the_sheet_shows_the_right_photos_colour(colours: CaptionedPhotos, tmp_path: Path) -> None:
    report = evaluate(TinyEncoder(seed=3), colours)
    write_misses(tmp_path / "misses.png", report)
    with Image.open(tmp_path / "misses.png") as sheet:
        assert sheet.format == "PNG"
        seen = {colour for _, colour in sheet.convert("RGB").getcolors(1 << 24)}
    for miss in worst_misses(report).worst:
        assert Image.new("RGB", (1, 1), miss.right.photo.stem).getpixel((0, 0)) in seen


def test_nothing_missed_and_long_words_can_be_drawn(
    colours: CaptionedPhotos, tmp_path: Path
) -> None:
    perfect = CaptionedPhotos(colours.photos[:1], ("red",), np.zeros(1, np.int64))
    report = evaluate(TinyEncoder(), perfect)
    for name in ("none.html", "none.png"):
        write_misses(tmp_path / name, report)
        assert (tmp_path / name).stat().st_size > 500
    long = CaptionedPhotos(colours.photos, ("x" * 3000,) * 16, colours.photo_of_caption)
    write_misses(tmp_path / "long.png", evaluate(TinyEncoder(), long))
    with Image.open(tmp_path / "long.png") as sheet:
        assert sheet.height > sheet.width


@pytest.mark.parametrize("suffix", [".html", ".png"])
def test_a_caption_of_a_whole_book_is_cut(
    colours: CaptionedPhotos, tmp_path: Path, suffix: str
) -> None:
    book = CaptionedPhotos(colours.photos, ("A page. " * 50_000,) * 16, colours.photo_of_caption)
    path = (tmp_path / "misses").with_suffix(suffix)
    write_misses(path, evaluate(TinyEncoder(), book))
    if suffix == ".html":
        assert path.stat().st_size < 200_000
    else:
        with Image.open(path) as sheet:
            assert sheet.height < 8 * 500


@pytest.mark.skipif(sys.platform == "win32", reason="such names cannot be there")
@pytest.mark.parametrize("suffix", [".html", ".png"])
def test_any_file_name_can_be_drawn(colours: CaptionedPhotos, tmp_path: Path, suffix: str) -> None:
    names = ("two\nlines.png", "\udcff.png", '"><b>.png', "\u202eback.png", "x" * 200 + ".png")
    photos = [
        photo.rename(tmp_path / name) for photo, name in zip(colours.photos, names, strict=False)
    ]
    odd = CaptionedPhotos(
        (*photos, *colours.photos[5:]), colours.captions[::-1], colours.photo_of_caption
    )
    path = (tmp_path / "misses").with_suffix(suffix)
    write_misses(path, evaluate(TinyEncoder(), odd))
    if suffix == ".html":
        assert '"><b>.png' in Page(path.read_text("utf-8")).texts


@pytest.mark.parametrize("name", ["misses.gif", "misses", "nowhere/misses.png"])
def test_what_cannot_be_drawn_is_told_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        require_picture_suffix(tmp_path / name)
