"""Hits in the terminal with their pictures: each on the left, what it is on the right."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import TYPE_CHECKING

from mmsearch.cli import hits as listing
from mmsearch.cli.output import printable, short_path
from mmsearch.cli.pictures.area import Area, fit
from mmsearch.cli.width import wrapped
from mmsearch.errors import MediaError
from mmsearch.results.pictures import has_picture, picture_of
from mmsearch.results.wording import percent

if TYPE_CHECKING:
    from mmsearch.cli.pictures.choose import Drawing
    from mmsearch.items import Hit

_COLUMNS, _ROWS = 24, 8  # of a picture; 3:2 fills both where a character is half as wide as high
_GAP = 2
_LEAST_TEXT = 16  # columns


def show_with_pictures(
    hits: Sequence[Hit], query: str, drawing: Drawing, *, max_megapixels: float
) -> None:
    """Prints hits, each as soon as its picture is made.

    Args:
        hits: best first.
        query: as it was typed; of long texts, what has its words is shown.
        drawing: how this terminal is drawn on.
        max_megapixels: larger pictures are not opened.
    """
    width, height = shutil.get_terminal_size()
    columns = max(2, min(_COLUMNS, width // 2 - _GAP))
    rows = max(1, min(_ROWS, height - 2))
    indent = columns + _GAP if any(map(has_picture, hits)) else 0
    for hit in hits:
        drawn, area, why_not = "", None, None
        try:
            data = picture_of(hit, _pixels(columns, rows, drawing), max_megapixels=max_megapixels)
            if data is not None:
                drawn, area = _draw(data, columns, rows, drawing)
        except MediaError as error:
            why_not = f"no picture: {printable(str(error))}"
        lines = [
            line
            for text in (*_about(hit, query), *([why_not] if why_not else []))
            for line in wrapped(text, max(_LEAST_TEXT, width - indent - 1))
        ]
        # In one piece, so that nothing is left half drawn when it is interrupted.
        sys.stdout.write(_beside(drawn, 0 if area is None else area.rows, lines, indent))
        sys.stdout.flush()


def _pixels(columns: int, rows: int, drawing: Drawing) -> int:
    """Of the longer side that a picture in such an area can have."""
    return max(columns * drawing.cell.width, rows * drawing.cell.height)


def _draw(data: bytes, columns: int, rows: int, drawing: Drawing) -> tuple[str, Area]:
    from PIL import Image

    with Image.open(BytesIO(data)) as picture:
        area = fit(picture.size, columns, rows, drawing.cell)
        return drawing.draw(picture, area), area


def _beside(drawn: str, rows: int, lines: Sequence[str], indent: int) -> str:
    """A picture with lines on its right, an empty line below, the cursor on the next one.

    Room is made first, by which a full screen scrolls; drawing then does not, and the cursor can
    be put back to where it was, wherever drawing leaves it.
    """
    height = max(rows, len(lines))
    room = "\n" * (height + 1) + f"\x1b[{height + 1}A"
    picture = f"\x1b7{drawn}\x1b8" if drawn else ""
    right = f"\x1b[{indent}C" if indent else ""
    text = "".join(f"{right}{line}\n" for line in lines)
    return room + picture + text + "\n" * (height + 1 - len(lines))


def _about(hit: Hit, query: str) -> Iterator[str]:
    """What is said of a hit, a paragraph each."""
    reranked = None if hit.reranked is None else listing.score(hit.reranked)
    figures = (percent(hit.relevance), reranked, listing.taken(hit))
    yield "  ".join(filter(None, figures))
    yield short_path(hit.path)
    yield from listing.place_in_asset(hit, query)
    yield from listing.others(hit, query)
