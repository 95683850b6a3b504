"""Draws how hot each place of a picture is over the picture itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import OutputError

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

SHORTEST, LONGEST = 320, 1024
"""Pixels of the longer side of a drawing; smaller pictures are enlarged, larger ones reduced."""

SOFTWARE = "mmsearch explain"
"""What a saved drawing says that it was made with."""

# Colours of equal perceptual steps from dark to bright (after inferno, Smith and van der Walt
# 2015), at even distances; RGB.
_COLOURS = np.array(
    [
        (0, 0, 4),
        (40, 11, 84),
        (101, 21, 110),
        (159, 42, 99),
        (212, 72, 66),
        (245, 125, 21),
        (250, 193, 39),
        (252, 255, 164),
    ],
    dtype=np.float32,
)
_COVER = 0.62  # how much of the picture the hottest place hides
_FADED = 0.55  # how much colour and light the coldest places keep
_BAR, _MARGIN = 12, 10  # pixels of the legend
_LETTERS = 14  # pixels
_SYSTEM_FONTS = (  # of Linux, Windows and macOS, where they are; those with most scripts last
    "DejaVuSans.ttf",
    "arial.ttf",
    "Arial.ttf",
    "NotoSansCJK-Regular.ttc",
    "msyh.ttc",
    "Arial Unicode.ttf",
)


def draw_heat(picture: Image, heat: NDArray[np.float32], caption: str = "") -> Image:
    """A heat map over a picture: cold places faded, hot ones in bright colours.

    Args:
        picture: mode RGB.
        heat: float32 in 0..1, shape (rows, columns), of the picture's places.
        caption: what the heat is of; left out where no font is found that has its letters.

    Returns:
        The picture with the map and a legend below, mode RGB.
    """
    from PIL import Image as Pillow

    side = max(picture.size)
    scale = min(max(side, SHORTEST), LONGEST) / side
    size = tuple(max(1, round(one * scale)) for one in picture.size)
    under = picture.resize((size[0], size[1]), Pillow.Resampling.LANCZOS)
    fine = np.asarray(
        Pillow.fromarray(np.ascontiguousarray(heat, dtype=np.float32)).resize(
            under.size, Pillow.Resampling.BICUBIC
        )
    )
    fine = np.clip(fine, 0, 1)[..., np.newaxis]
    seen = np.asarray(under, dtype=np.float32)
    grey = seen.mean(axis=2, keepdims=True)
    faded = _FADED * (0.5 * seen + 0.5 * grey)
    base = faded + (seen - faded) * np.minimum(1, 2 * fine)
    cover = _COVER * fine
    mixed = (1 - cover) * base + cover * colours(fine[..., 0])
    drawn = Pillow.fromarray(np.clip(mixed, 0, 255).astype(np.uint8), "RGB")
    return _with_legend(drawn, caption)


def save_drawing(drawn: Image, path: Path) -> None:
    """Writes a drawing as PNG; replaces an earlier drawing, but no photo and no other file.

    Raises:
        OutputError: there is another file, or it cannot be written.
    """
    from PIL.PngImagePlugin import PngInfo

    if path.is_file() and not _is_drawing(path):
        raise OutputError(f"{path} is there already, and no drawing of mmsearch: name another.")
    made_with = PngInfo()
    made_with.add_text("Software", SOFTWARE)
    try:
        drawn.save(path, format="PNG", pnginfo=made_with)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error


def _is_drawing(path: Path) -> bool:
    from PIL import Image as Pillow

    try:
        with Pillow.open(path, formats=["PNG"]) as image:
            return image.info.get("Software") == SOFTWARE
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError):
        return False


def colours(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    """RGB in 0..255, shape (..., 3), of heat in 0..1."""
    steps = np.linspace(0, 1, len(_COLOURS))
    mixed: NDArray[np.float32] = np.stack(
        [np.interp(heat, steps, channel) for channel in _COLOURS.T], axis=-1
    ).astype(np.float32)
    return mixed


def _with_legend(drawn: Image, caption: str) -> Image:
    """Adds a bar of the colours and what they mean."""
    from PIL import Image as Pillow
    from PIL import ImageDraw

    font = _font()
    caption_font = _font_for(caption)
    if caption_font is None:  # boxes say nothing
        caption = ""
    lines = ["less", "more"]
    height = 2 * _MARGIN + _BAR + (_text_size(font, "Ag")[1] + _MARGIN) * (1 + bool(caption))
    page = Pillow.new("RGB", (drawn.width, drawn.height + height), (18, 18, 20))
    page.paste(drawn, (0, 0))
    draw = ImageDraw.Draw(page)
    top = drawn.height + _MARGIN
    if caption:
        fitting = _fitting(caption_font, caption, drawn.width - 2 * _MARGIN)
        _write(draw, (_MARGIN, top), fitting, caption_font)
        top += _text_size(font, "Ag")[1] + _MARGIN
    width = max(1, drawn.width - 2 * _MARGIN)
    ramp = colours(np.linspace(0, 1, width, dtype=np.float32))
    bar = np.broadcast_to(ramp, (_BAR, width, 3)).astype(np.uint8)
    page.paste(Pillow.fromarray(np.ascontiguousarray(bar), "RGB"), (_MARGIN, top))
    top += _BAR + _MARGIN // 2
    _write(draw, (_MARGIN, top), lines[0], font)
    right = drawn.width - _MARGIN - _text_size(font, lines[1])[0]
    _write(draw, (right, top), lines[1], font)
    return page


def _font() -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size=_LETTERS)


def _font_for(text: str) -> Any | None:
    """Pillow's own font, which has little but ASCII, or one of the system's with every letter."""
    from PIL import ImageFont

    if _can_write(font := _font(), text):
        return font
    for name in _SYSTEM_FONTS:
        try:
            font = ImageFont.truetype(name, _LETTERS)
        except OSError:
            continue
        if _can_write(font, text):
            return font
    return None


def _can_write(font: Any, text: str) -> bool:
    """Whether a font has a glyph for every letter."""
    missing = bytes(font.getmask("\uffff"))
    return all(bytes(font.getmask(letter)) != missing for letter in text if not letter.isspace())


def _text_size(font: Any, text: str) -> tuple[int, int]:
    left, top, right, bottom = font.getbbox(text)
    return int(right - left), int(bottom - top)


def _fitting(font: Any, text: str, width: int) -> str:
    """As much of a text as fits into a width."""
    text = " ".join(text.split())
    if _text_size(font, text)[0] <= width:
        return text
    while text and _text_size(font, f"{text}…")[0] > width:
        text = text[:-1]
    return f"{text}…"


def _write(draw: ImageDraw, place: tuple[int, int], text: str, font: Any) -> None:
    draw.text(place, text, fill=(235, 235, 235), font=font)
