"""A list of hits is a list, and more in notebooks."""

from __future__ import annotations

import base64
import copy
import io
import pickle
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

import mmsearch
from mmsearch.items import Hit, Modality
from mmsearch.results.hits import Hits
from mmsearch.results.notebook import SHOWN
from mmsearch.testing import make_photo
from tests.filmed import film


class Shown(HTMLParser):
    """What a reader of a piece of HTML gets: its texts, pictures and elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(" ".join(data.split()))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def hit(path: Path, **more: object) -> Hit:
    values = {"rank": 1, "score": 1.0, "relevance": 0.97, "modality": Modality.IMAGE, "item": 1}
    return Hit(**{**values, "path": path, "asset": 1, **more})  # type: ignore[arg-type]


def picture_in(url: str | None) -> Image.Image:
    kind, _, data = (url or "").partition(";base64,")
    assert kind == "data:image/webp"
    return Image.open(io.BytesIO(base64.b64decode(data, validate=True)))


def test_it_is_a_list_of_hits(index: mmsearch.Index, photos: Path) -> None:
    index.add(photos)

    hits = index.search("red", k=3)

    assert isinstance(hits, list)
    assert isinstance(hits, mmsearch.Hits)
    assert hits == list(hits)
    assert repr(hits) == repr(list(hits))
    assert isinstance(hits[0], Hit)
    assert isinstance(hits[:2], Hits)
    assert hits[:2] == [hits[0], hits[1]]
    assert pickle.loads(pickle.dumps(hits)) == hits
    assert isinstance(copy.copy(hits), Hits)
    assert sorted(hits, key=lambda hit: hit.path)


def test_a_notebook_shows_pictures_with_relevance_and_name(tmp_path: Path) -> None:
    photo = make_photo(tmp_path / "wide.png", "red", size=(900, 600))

    shown = Shown(Hits([hit(photo, text="a red wall")])._repr_html_())

    (image,) = shown.of("img")
    assert image["alt"] == "a red wall"
    with picture_in(image["src"]) as picture:
        assert picture.size == (320, 213)
        assert picture.convert("RGB").getpixel((5, 5))[0] > 250
    assert shown.texts == ["97%", "wide.png", "“a red wall”"]


def test_moments_in_videos_show_what_is_seen_then(tmp_path: Path) -> None:
    scenes = [(Image.new("RGB", (320, 240), colour), 2.0) for colour in ("red", "blue")]
    video = film(tmp_path / "two.mp4", scenes)

    shown = Shown(
        Hits(
            [
                hit(video, modality=Modality.TRANSCRIPT, text="Blue!", start=2.5, end=64.0),
                hit(video, modality=Modality.FRAME, start=1.5, end=3.9),  # begins in a transition
            ]
        )._repr_html_()
    )

    for image in shown.of("img"):
        with picture_in(image["src"]) as picture:
            red, _, blue = picture.convert("RGB").getpixel((100, 100))
            assert blue > 200 > 60 > red
    assert shown.texts == ["97%", "two.mp4", "0:02-1:04 “Blue!”", "97%", "two.mp4", "0:01-0:03"]


def test_what_has_no_picture_says_what_it_is(tmp_path: Path) -> None:
    gone, sound, notes = (tmp_path / name for name in ("gone.jpg", "talk.mp3", "notes.txt"))

    shown = Shown(Hits([hit(gone), hit(sound, start=5.0), hit(notes)])._repr_html_())

    assert not shown.of("img")
    assert "recording" in shown.texts
    assert "text" in shown.texts
    assert any("no file" in text or "not" in text for text in shown.texts)


def test_texts_and_names_are_no_markup(tmp_path: Path) -> None:
    photo = make_photo(tmp_path / "a&b <i>.png", "red")
    wicked = '"><script>alert(1)</script>'

    shown = Shown(Hits([hit(photo, text=wicked)])._repr_html_())

    assert {name for name, _ in shown.elements} == {"ol", "li", "img", "div", "b"}
    assert shown.of("img")[0]["alt"] == wicked
    assert "a&b <i>.png" in shown.texts


def test_long_lists_are_cut_and_empty_ones_say_so(tmp_path: Path) -> None:
    many = Hits([hit(tmp_path / "notes.txt")] * (SHOWN + 1200))
    shown = Shown(many._repr_html_())
    assert len(shown.of("li")) == SHOWN
    assert shown.texts[-1] == "and 1,200 more"

    assert Shown(Hits()._repr_html_()).texts == ["No hits."]


@pytest.mark.skipif(bytes(Path("x")) != b"x", reason="file names are no bytes here")
def test_names_that_are_no_utf_8_are_shown(tmp_path: Path) -> None:
    name = b"caf\xe9.txt".decode("utf-8", "surrogateescape")
    html = Hits([hit(tmp_path / name)])._repr_html_()
    assert re.search(r"caf\?\.txt", html.encode("utf-8").decode())
