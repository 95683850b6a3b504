"""Draws misses as a contact sheet."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

    from mmsearch.evaluation.misses import Miss, Misses, Shown

    Font = FreeTypeFont | ImageFont

_CELL = 224  # pixels of a photo's square
_GAP = 16
_MARGIN = 40
_DIVIDE = 40  # between the right photo and the others
_TEXT, _TITLE, _SMALL = 20, 30, 15
_LINE = 1.35
_FRAME = 4

_PAPER, _INK, _SOFT = "#ffffff", "#1d2330", "#667085"
_RULE, _EMPTY, _RIGHT = "#dfe3e8", "#eceef1", "#12805c"


def as_png(misses: Misses) -> bytes:
    """The sheet, a PNG."""
    from PIL import Image, ImageDraw

    columns = max((len(miss.instead) for miss in misses.worst), default=0)
    width = 2 * _MARGIN + _CELL + _DIVIDE + max(columns, 4) * (_CELL + _GAP) - _GAP
    pen = _Pen(width)
    heading = _heading_height(pen, misses)
    heights = [pen.height_of(miss.caption, _TEXT) + _row_height() for miss in misses.worst]
    sheet = Image.new("RGB", (width, heading + sum(heights) + _MARGIN), _PAPER)
    pen.draw = ImageDraw.Draw(sheet)

    top = pen.write(misses.title, _TITLE, _MARGIN, _INK)
    pen.write(misses.summary, _SMALL, top + 6, _SOFT)
    top = heading
    for miss, height in zip(misses.worst, heights, strict=True):
        _draw_miss(sheet, pen, miss, top)
        top += height
    encoded = BytesIO()
    sheet.save(encoded, "PNG")
    return encoded.getvalue()


class _Pen:
    """Writes wrapped lines of text across the sheet."""

    draw: ImageDraw

    def __init__(self, width: int) -> None:
        from PIL import Image, ImageDraw

        self._width = width - 2 * _MARGIN
        self.draw = ImageDraw.Draw(Image.new("RGB", (1, 1)))

    def lines(self, text: str, size: int) -> list[str]:
        """Breaks a text at spaces, and words that are too long anywhere."""
        font = _font(size)
        lines = [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if self.draw.textlength(longer, font) <= self._width:
                lines[-1] = longer
                continue
            lines.append("")
            for letter in word:
                if self.draw.textlength(lines[-1] + letter, font) > self._width:
                    lines.append("")
                lines[-1] += letter
        return [line for line in lines if line] or [""]

    def height_of(self, text: str, size: int) -> int:
        """Pixels that a text takes."""
        return int(len(self.lines(text, size)) * size * _LINE)

    def write(self, text: str, size: int, top: int, colour: str) -> int:
        """Writes a text and returns where it ends."""
        for line in self.lines(text, size):
            self.draw.text((_MARGIN, top), line, colour, _font(size))
            top += int(size * _LINE)
        return top

    def label(self, text: str, left: int, top: int, colour: str) -> None:
        """Writes one line under a photo, cut where it is too long."""
        font = _font(_SMALL)
        text = " ".join(text.split())  # a file name may hold line ends
        while text and self.draw.textlength(text, font) > _CELL:
            text = text[:-2].rstrip("…") + "…"
        self.draw.text((left, top), text, colour, font)


def _font(size: int) -> Font:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _heading_height(pen: _Pen, misses: Misses) -> int:
    lines = pen.height_of(misses.title, _TITLE) + pen.height_of(misses.summary, _SMALL)
    return _MARGIN + lines + 6 + _GAP


def _row_height() -> int:
    return 3 * _GAP + _CELL + int(2 * _SMALL * _LINE) + _GAP


def _draw_miss(sheet: Image, pen: _Pen, miss: Miss, top: int) -> None:
    pen.draw.line((_MARGIN, top, sheet.width - _MARGIN, top), _RULE, 1)
    top = pen.write(miss.caption, _TEXT, top + _GAP, _INK) + _GAP // 2
    left = _MARGIN
    _draw_photo(sheet, pen, miss.right, left, top, _RIGHT)
    left += _CELL + _DIVIDE
    for shown in miss.instead:
        _draw_photo(sheet, pen, shown, left, top, None)
        left += _CELL + _GAP


def _draw_photo(
    sheet: Image, pen: _Pen, shown: Shown, left: int, top: int, frame: str | None
) -> None:
    from PIL import ImageOps

    box = (left, top, left + _CELL - 1, top + _CELL - 1)
    pen.draw.rectangle(box, _EMPTY)
    if shown.thumbnail is None:
        pen.label("cannot be read", left + _GAP, top + _CELL // 2, _SOFT)
    else:
        photo = ImageOps.contain(shown.thumbnail, (_CELL, _CELL))
        sheet.paste(photo, (left + (_CELL - photo.width) // 2, top + (_CELL - photo.height) // 2))
    if frame is not None:
        pen.draw.rectangle(box, outline=frame, width=_FRAME)
    below = top + _CELL + 6
    pen.label(f"rank {shown.rank:,} · {shown.score:.3f}", left, below, frame or _INK)
    pen.label(shown.photo.name, left, below + int(_SMALL * _LINE), _SOFT)
