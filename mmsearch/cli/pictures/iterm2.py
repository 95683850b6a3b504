"""Pictures as iTerm2 takes them, and WezTerm, mintty and others after it.

https://iterm2.com/documentation-images.html
"""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import TYPE_CHECKING

from mmsearch.cli.pictures.area import Area, scaled

if TYPE_CHECKING:
    from PIL.Image import Image

_QUALITY = 88


def draw(picture: Image, area: Area) -> str:
    """The control sequence: the picture as a JPEG file, with its size in cells."""
    file = BytesIO()
    scaled(picture, area.width, area.height).save(file, "JPEG", quality=_QUALITY)
    data = file.getvalue()
    return (
        f"\x1b]1337;File=inline=1;size={len(data)};width={area.columns};height={area.rows};"
        f"preserveAspectRatio=1;doNotMoveCursor=1:{b64encode(data).decode('ascii')}\x07"
    )
