"""What is written for a picture is that picture: every way is decoded again."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from mmsearch.cli.pictures import blocks, iterm2, kitty, sixel
from mmsearch.cli.pictures.area import Area, Cell, fit, scaled
from tests.cli.pictures.terminals import (
    decode_blocks,
    decode_iterm2,
    decode_kitty,
    decode_sixel,
    out_of_tmux,
)

CELLS = st.builds(Cell, st.integers(1, 30), st.integers(1, 60))
SIDES = st.integers(1, 4000)


@pytest.fixture
def picture() -> Image.Image:
    """Red on the left, blue on the right, a green square in its middle."""
    image = Image.new("RGB", (300, 200), "red")
    image.paste("blue", (150, 0, 300, 200))
    image.paste("lime", (120, 70, 180, 130))
    return image


@given(SIDES, SIDES, st.integers(1, 80), st.integers(1, 40), CELLS)
def test_a_picture_keeps_its_shape_and_stays_in_its_cells(
    width: int, height: int, columns: int, rows: int, cell: Cell
) -> None:
    area = fit((width, height), columns, rows, cell)

    assert 1 <= area.columns <= columns
    assert 1 <= area.rows <= rows
    assert (area.columns - 1) * cell.width < area.width <= area.columns * cell.width
    assert (area.rows - 1) * cell.height < area.height <= area.rows * cell.height
    scale = min(columns * cell.width / width, rows * cell.height / height)
    assert abs(area.width - width * scale) <= 1
    assert abs(area.height - height * scale) <= 1


@given(
    arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 40)), elements=st.integers(0, 5))
)
def test_sixels_are_the_pixels(pixels: np.ndarray) -> None:
    palette = [0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255, 51, 102, 204]
    percent = np.array(palette).reshape(-1, 3) * 100 // 255

    assert np.array_equal(decode_sixel(sixel.encode(pixels, palette)), percent[pixels])


def test_a_photo_as_sixels_looks_like_it(picture: Image.Image) -> None:
    area = fit(picture.size, 24, 8, Cell(10, 20))

    shown = decode_sixel(sixel.draw(picture, area)).astype(float) * 2.55

    wanted = np.asarray(scaled(picture, area.width, area.height), dtype=float)
    assert shown.shape == wanted.shape
    assert np.abs(shown - wanted).mean() < 6


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (1, 500), (500, 1)])
def test_kitty_gets_a_picture_on_whole_cells(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    area = fit(size, 24, 8, Cell(9, 19))

    keys, canvas = decode_kitty(kitty.draw(picture, area))

    assert keys["a"] == "T"
    assert (keys["c"], keys["r"]) == (str(area.columns), str(area.rows))
    assert (keys["C"], keys["q"]) == ("1", "2")  # the cursor stays, nothing is answered
    assert canvas.size == (area.columns * 9, area.rows * 19)
    shown = np.asarray(canvas)
    wanted = np.asarray(scaled(picture, area.width, area.height))
    assert np.array_equal(shown[: area.height, : area.width, :3], wanted)
    assert not shown[area.height :, :, 3].any()
    assert not shown[:, area.width :, 3].any()


def test_kitty_in_tmux_gets_it_stored_and_places_for_it(picture: Image.Image) -> None:
    area = fit(picture.size, 24, 8, Cell(10, 20))

    text = out_of_tmux(kitty.draw_in_tmux(picture, area))

    stored, _, places = text.rpartition("\x1b\\")
    keys, canvas = decode_kitty(stored + "\x1b\\")
    assert canvas.size == (240, 160)
    assert keys["U"] == "1"
    red, green, blue = map(int, re.findall(r"38;2;(\d+);(\d+);(\d+)m", places)[0])
    assert int(keys["i"]) == red << 16 | green << 8 | blue
    assert places.count("\U0010eeee") == area.columns * area.rows
    numbered = re.findall("\U0010eeee(.)(.)", places)
    assert len(set(numbered)) == area.columns * area.rows
    assert numbered[0] == ("\u0305", "\u0305")
    assert numbered[area.columns + 2] == ("\u030d", "\u030e")  # row 1, column 2


def test_iterm2_gets_a_file_and_its_size_in_cells(picture: Image.Image) -> None:
    area = fit(picture.size, 24, 8, Cell(10, 20))

    arguments, shown = decode_iterm2(iterm2.draw(picture, area))

    assert arguments["inline"] == "1"
    assert (arguments["width"], arguments["height"]) == (str(area.columns), str(area.rows))
    assert shown.size == (area.width, area.height)
    wanted = np.asarray(scaled(picture, *shown.size), dtype=float)
    assert np.abs(np.asarray(shown, dtype=float) - wanted).mean() < 6


@given(arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.just(3))))
def test_half_blocks_are_the_pixels(pixels: np.ndarray) -> None:
    height, width, _ = pixels.shape
    area = Area(width, -(-height // 2), width, height, Cell(1, 2))

    shown = decode_blocks(
        blocks.draw(Image.fromarray(pixels), area, truecolor=True), area.columns, area.rows
    )

    assert np.array_equal(shown[:height], pixels)


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_of_256_colours_the_nearest_is_taken(colour: tuple[int, int, int]) -> None:
    text = blocks.draw(
        Image.new("RGB", (1, 1), colour), Area(1, 1, 1, 2, Cell(1, 2)), truecolor=False
    )

    upper, lower = map(int, re.findall(r"[34]8;5;(\d+)", text))

    assert upper == lower
    distances = {
        n: sum((a - b) ** 2 for a, b in zip(colour, xterm(n), strict=True)) for n in range(16, 256)
    }
    assert distances[upper] == min(distances.values())


def xterm(number: int) -> tuple[int, int, int]:
    """A colour of xterm's palette."""
    if number >= 232:
        return (8 + 10 * (number - 232),) * 3
    steps = (0, 95, 135, 175, 215, 255)
    red, rest = divmod(number - 16, 36)
    return steps[red], steps[rest // 6], steps[rest % 6]
