"""Pictures as kitty takes them, and Ghostty, Konsole and others after it.

https://sw.kovidgoyal.net/kitty/graphics-protocol/
"""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from random import randrange
from typing import TYPE_CHECKING

from mmsearch.cli.pictures.area import Area, scaled
from mmsearch.cli.pictures.tmux import passed_through

if TYPE_CHECKING:
    from PIL.Image import Image

_CHUNK = 4096  # characters of base64 that one sequence may carry
_PLACE = "\U0010eeee"  # a cell of a picture, to whoever moves text about without knowing of it
_NUMBERS = (
    "\u0305\u030d\u030e\u0310\u0312\u033d\u033e\u033f\u0346\u034a\u034b\u034c\u0350\u0351\u0352"
    "\u0357\u035b\u0363\u0364\u0365\u0366\u0367\u0368\u0369\u036a\u036b\u036c\u036d\u036e\u036f"
)
"""Combining characters that number rows and columns, from 0: the first of kitty's, enough here."""


def draw(picture: Image, area: Area) -> str:
    """The control sequences: the picture as a PNG file, shown at once, the cursor left alone."""
    how = f"a=T,f=100,c={area.columns},r={area.rows},C=1,q=2"
    return "".join(_sequences(picture, area, how))


def draw_in_tmux(picture: Image, area: Area) -> str:
    """The picture, and text that stands for its cells, which tmux can move like any other.

    What tmux passes through is drawn where the terminal's cursor happens to be; so the picture is
    only stored, and shown wherever its placeholder characters stand. Their colour is its number.
    """
    number = randrange(1 << 16, 1 << 24)
    how = f"a=T,U=1,i={number},f=100,c={area.columns},r={area.rows},q=2"
    stored = "".join(map(passed_through, _sequences(picture, area, how)))
    red, green, blue = number.to_bytes(3, "big")
    rows = [
        "".join(_PLACE + _NUMBERS[row] + _NUMBERS[column] for column in range(area.columns))
        for row in range(area.rows)
    ]
    next_row = f"\x1b[{area.columns}D\x1b[B"
    return f"{stored}\x1b[38;2;{red};{green};{blue}m{next_row.join(rows)}\x1b[39m"


def _sequences(picture: Image, area: Area, how: str) -> list[str]:
    """The sequences that carry a picture; the first says how it is meant."""
    from PIL.Image import new as new_image

    # The terminal stretches it to whole cells, so that it must come on a canvas of whole cells.
    cell = area.cell
    canvas = new_image("RGBA", (area.columns * cell.width, area.rows * cell.height))
    canvas.paste(scaled(picture, area.width, area.height))
    file = BytesIO()
    canvas.save(file, "PNG", compress_level=6)
    data = b64encode(file.getvalue()).decode("ascii")
    chunks = [data[at : at + _CHUNK] for at in range(0, len(data), _CHUNK)]
    last = len(chunks) - 1
    return [
        f"\x1b_G{f'{how},' if at == 0 else ''}m={int(at < last)};{chunk}\x1b\\"
        for at, chunk in enumerate(chunks)
    ]
