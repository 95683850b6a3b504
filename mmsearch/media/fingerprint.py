"""What a photo looks like, in 1152 bytes: enough to tell its copies from photos that are alike.

A fingerprint is a thumbnail: the light of 32 x 32 cells and the two colour differences (ITU-R
BT.601, as in JPEG) of 8 x 8 cells, a byte each, of the upright photo squashed to a square. Resizing
and recompressing hardly change it; `mmsearch.search.duplicates` compares two of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 32
"""Cells a side in which light is kept."""

COLOUR_SIDE = 8
"""Cells a side in which the two colour differences are kept."""

SIZE = SIDE * SIDE + 2 * COLOUR_SIDE * COLOUR_SIDE
"""Bytes of a fingerprint: light, then blue and then red difference, each row by row."""

MIN_SIZE = (2 * SIDE, 2 * SIDE)
"""A photo that was decoded smaller than this, in pixels, would lose what its cells hold."""


def fingerprint(image: Image) -> bytes:
    """The fingerprint of a photo: `SIZE` bytes.

    Args:
        image: mode RGB, upright; at least `MIN_SIZE` where the photo is.
    """
    from PIL.Image import Resampling

    # Pillow widens this filter with the scale: each cell is a weighted mean of its neighbourhood.
    small = image.resize((SIDE, SIDE), Resampling.BILINEAR).convert("YCbCr")
    light, blue, red = small.split()
    colours = (one.reduce(SIDE // COLOUR_SIDE) for one in (blue, red))
    return b"".join(one.tobytes() for one in (light, *colours))
