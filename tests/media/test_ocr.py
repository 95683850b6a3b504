"""Text in pictures: what is read, and how it is put together."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from difflib import SequenceMatcher

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from mmsearch.errors import SettingsError
from mmsearch.media.layout import Line, group_lines
from mmsearch.media.ocr import TextReader
from tests.conftest import SHARED_DATA

pytest.importorskip("rapidocr", reason="the extra ocr is not installed")


@pytest.fixture(scope="module")
def reader() -> TextReader:
    return TextReader()


def sign(
    *texts: tuple[str, tuple[int, int], int],
    size: tuple[int, int] = (900, 600),
    ink: str = "maroon",
    paper: str = "#d0dcc8",
) -> Image.Image:
    """Draws texts, each with its upper left corner and letter size in pixels."""
    image = Image.new("RGB", size, paper)
    draw = ImageDraw.Draw(image)
    for text, at, height in texts:
        draw.multiline_text(at, text, fill=ink, font=ImageFont.load_default(height), spacing=8)
    return image


def accuracy(wanted: str, read: Sequence[str]) -> float:
    """Part of the characters that were read, in order."""
    same = SequenceMatcher(None, wanted, " ".join(read), autojunk=False).get_matching_blocks()
    return sum(block.size for block in same) / len(wanted)


def test_reads_a_sign_in_lines(reader: TextReader) -> None:
    image = sign(("Fresh bread every\nmorning from seven", (60, 80), 48))
    assert reader.blocks(image) == ["Fresh bread every morning from seven"]


def test_columns_and_sizes_are_blocks_of_their_own(reader: TextReader) -> None:
    image = sign(
        ("Harbour museum", (60, 40), 72),
        ("Open daily from\nten to five", (60, 250), 34),
        ("Tickets at the\nold lighthouse", (520, 250), 34),
    )
    assert reader.blocks(image) == [
        "Harbour museum",
        "Open daily from ten to five",
        "Tickets at the old lighthouse",
    ]


def test_accents_are_read(reader: TextReader) -> None:
    try:
        font = ImageFont.truetype("DejaVuSans.ttf", 64)
    except OSError:
        pytest.skip("no font with accents is here")
    image = sign()
    ImageDraw.Draw(image).text((60, 80), "Grüße aus München", fill="maroon", font=font)
    assert reader.blocks(image) == ["Grüße aus München"]


@pytest.mark.parametrize("degrees", [-20, -8, 8, 20, 90, 180, 270])
def test_turned_signs_are_read(reader: TextReader, degrees: int) -> None:
    image = sign(("Lost cat answers to Pepper", (60, 240), 56))
    turned = image.rotate(degrees, expand=True, fillcolor="#d0dcc8")
    assert accuracy("Lost cat answers to Pepper", reader.blocks(turned)) > 0.9


def test_a_sign_seen_from_the_side_is_read(reader: TextReader) -> None:
    image = sign(("Platform nine", (60, 200), 90))
    corners = (0, 0, -100, 700, 1000, 560, 900, 60)  # of the source, for the result's corners
    side = image.transform((700, 600), Image.Transform.QUAD, corners, fillcolor="#d0dcc8")
    assert accuracy("Platform nine", reader.blocks(side)) > 0.9


@pytest.mark.parametrize(("ink", "paper"), [("white", "navy"), ("#806000", "#ffe680")])
def test_light_and_coloured_letters_are_read(reader: TextReader, ink: str, paper: str) -> None:
    image = sign(("Swimming pool closed", (60, 200), 60), ink=ink, paper=paper)
    assert accuracy("Swimming pool closed", reader.blocks(image)) > 0.9


def test_small_print_of_a_large_photo_is_read(reader: TextReader) -> None:
    image = sign(("Do not feed the ducks", (1200, 1200), 110), size=(4000, 3000))
    assert accuracy("Do not feed the ducks", reader.blocks(image)) > 0.9


def test_pictures_without_text(reader: TextReader) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8)[None, :, None], (200, 256, 3))
    for pixels in (noise, ramp, np.zeros((1, 1, 3), np.uint8), np.full((40, 2000, 3), 255, "u1")):
        assert reader.blocks(Image.fromarray(np.ascontiguousarray(pixels))) == []


@pytest.mark.slow
def test_photos_without_text_give_hardly_any_blocks(reader: TextReader) -> None:
    folder = SHARED_DATA / "flickr8k" / "images"
    if not folder.is_dir():
        pytest.skip("the photos of ../shared/data/flickr8k are not here")
    photos = random.Random(3).sample(sorted(folder.iterdir()), 120)
    blocks = []
    for path in photos:
        with Image.open(path) as photo:
            blocks += reader.blocks(photo.convert("RGB"))
    # A look at all of them: they are on signs and shirts.
    assert len(blocks) <= 12, blocks


def test_threads_read_at_once(reader: TextReader) -> None:
    words = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot"]
    images = [sign((word, (40, 40), 60), size=(400, 160)) for word in words]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(reader.blocks, images)) == [[word] for word in words]


def test_no_network_and_no_output() -> None:
    code = """
import socket
def refuse(*_): raise AssertionError("a connection")
socket.socket.connect = refuse
from PIL import Image
from mmsearch.media.ocr import TextReader
TextReader().blocks(Image.new("RGB", (200, 100), "white"))
assert not {"torch", "paddle"} & set(__import__("sys").modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_the_extra_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    with pytest.raises(SettingsError, match=r"mmsearch\[ocr\]"):
        TextReader()


def line(text: str, x: float, y: float, width: float, height: float, degrees: float = 0) -> Line:
    """A line with its upper left corner at x, y, all turned about the origin."""
    corners = np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], float)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return Line(text, corners @ np.array([[cos, sin], [-sin, cos]]))


@given(st.integers(-40, 40), st.randoms(use_true_random=False))
def test_layout_does_not_depend_on_order_and_slant(degrees: int, rng: random.Random) -> None:
    lines = [
        line("one", 0, 0, 100, 20, degrees),
        line("two", 110, 2, 90, 20, degrees),
        line("three", 0, 28, 200, 21, degrees),
        line("aside", 400, 0, 100, 20, degrees),
        line("HEADING", 0, 300, 300, 60, degrees),
    ]
    rng.shuffle(lines)
    blocks = {" ".join(part.text for part in block) for block in group_lines(lines)}
    assert blocks == {"one two three", "aside", "HEADING"}


def test_no_lines_are_no_blocks() -> None:
    assert group_lines([]) == []
