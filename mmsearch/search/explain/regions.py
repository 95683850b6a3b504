"""Where in a picture something is seen.

Where the encoder shows the regions of what it encodes, it is asked for those of nine overlapping
cut-outs, half as wide and high as the picture (and of more in a long one): what is small in the
picture is large in one of them. Any other encoder embeds cut-outs of half and of a third of the
picture's width and height, and each place is as similar as the cut-outs that cover it. That is
more telling than what similarity loses where the picture is covered, and than what a convolutional
network sees at single places of its last feature map: ``docs/explain.md`` has the evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmsearch.encoders.base import DualEncoder, Embeddings, ImageTransform, encode_regions

if TYPE_CHECKING:
    from PIL.Image import Image

Maps: TypeAlias = NDArray[np.float32]
"""float32, shape (n, rows, columns): how similar each place is to each of n vectors."""

Box: TypeAlias = tuple[int, int, int, int]
"""Left, upper, right and lower edge in pixels."""

LONGEST = 64
"""Places along a map's longer side."""

_PARTS, _STEPS = (1 / 2, 1 / 3), 5  # sizes of cut-outs, and how many of each along a side
_REGION_PART, _REGION_STEPS = 1 / 2, 3  # likewise, where the encoder shows their regions
_MOST = 20  # cut-outs along one side of a strip
_EDGE = 0.1  # what a cut-out's edge counts beside its middle


def similarity_maps(encoder: DualEncoder, picture: Image, vectors: Embeddings) -> Maps:
    """How similar the places of a picture are to texts or images.

    Args:
        encoder: any.
        picture: mode RGB, of any size.
        vectors: float32, shape (n, dim).

    Returns:
        Maps of the picture's aspect ratio, their longer side `LONGEST`.
    """
    transform = encoder.transform
    regions = encode_regions(encoder, transform(picture)[np.newaxis])
    if regions is None:
        boxes = [box for part in _PARTS for box in cut_outs(picture.size, transform, part, _STEPS)]
        return _painted(picture.size, boxes, _pooled(encoder, picture, boxes, vectors))

    def look(box: Box) -> Maps:
        seen = encode_regions(encoder, transform(picture.crop(box))[np.newaxis])
        assert seen is not None  # it shows some of the whole picture
        return seen.similarities(vectors)

    boxes = cut_outs(picture.size, transform, _REGION_PART, _REGION_STEPS)
    return _painted(picture.size, boxes, look)


def cut_outs(
    size: tuple[int, int], transform: ImageTransform, part: float, steps: int
) -> list[Box]:
    """Overlapping parts of a picture, row by row; together they cover it.

    They have the aspect ratio that the encoder takes, so that it sees all of them.

    Args:
        size: of the picture, width and height.
        transform: what the encoder makes of each.
        part: of the width and height of the picture; at most that, where the ratio is given.
        steps: along the shorter side; there are as many more along the other as it is longer.
    """
    across, down = (part * side for side in size)
    if transform.resize_mode != "squash":
        scale = min(across / transform.width, down / transform.height)
        across, down = scale * transform.width, scale * transform.height
    stride = (1 / part - 1) / (steps - 1)
    lefts, uppers = (
        _starts(whole, one, stride) for whole, one in ((size[0], across), (size[1], down))
    )
    return [
        (
            int(left),
            int(upper),
            max(int(left) + 1, round(left + across)),
            max(int(upper) + 1, round(upper + down)),
        )
        for upper in uppers.tolist()
        for left in lefts.tolist()
    ]


def _starts(whole: float, part: float, stride: float) -> NDArray[np.float64]:
    """Where parts begin that follow each other by a share of their length, at most."""
    room = whole - part
    return np.linspace(0, room, min(_MOST, 1 + int(np.ceil(room / (stride * part) - 1e-6))))


def _pooled(
    encoder: DualEncoder, picture: Image, boxes: Sequence[Box], vectors: Embeddings
) -> Callable[[Box], Maps]:
    """What each cut-out says as a whole."""
    found: dict[Box, Maps] = {}
    size = encoder.batch_size  # once: an indexing run beside may change it
    for first in range(0, len(boxes), size):
        batch = boxes[first : first + size]
        pixels = np.stack([encoder.transform(picture.crop(box)) for box in batch])
        products = vectors @ encoder.encode_images(pixels).T
        for box, column in zip(batch, products.T, strict=True):
            found[box] = column[:, np.newaxis, np.newaxis]
    return found.__getitem__


def _painted(size: tuple[int, int], boxes: Sequence[Box], look: Callable[[Box], Maps]) -> Maps:
    """One map of several, each seen in its box; they count most in their middle."""
    width, height = size
    columns, rows = (max(1, round(LONGEST * side / max(size))) for side in size)
    total: Maps | None = None
    weights = np.zeros((rows, columns), np.float32)
    for box in boxes:
        left, right = _span(box[0], box[2], columns / width, columns)
        upper, lower = _span(box[1], box[3], rows / height, rows)
        seen = resized(look(box), lower - upper, right - left)
        weight = np.outer(_tent(lower - upper), _tent(right - left))
        if total is None:
            total = np.zeros((len(seen), rows, columns), np.float32)
        total[:, upper:lower, left:right] += weight * seen
        weights[upper:lower, left:right] += weight
    assert total is not None
    covered = weights > 0
    maps = np.divide(total, weights, where=covered, out=np.zeros_like(total))
    if not covered.all():  # the gaps in a very long strip
        maps[:, ~covered] = maps[:, covered].mean(axis=1, keepdims=True)
    return maps


def resized(maps: Maps, rows: int, columns: int) -> Maps:
    """Maps at another resolution, interpolated."""
    from PIL import Image

    return np.stack(
        [
            np.asarray(
                Image.fromarray(np.ascontiguousarray(one)).resize(
                    (columns, rows), Image.Resampling.BICUBIC
                )
            )
            for one in maps.astype(np.float32)
        ]
    )


def _span(start: int, end: int, scale: float, most: int) -> tuple[int, int]:
    """The places that a stretch of pixels covers, at least one."""
    first = min(most - 1, round(start * scale))
    return first, max(first + 1, min(most, round(end * scale)))


def _tent(length: int) -> NDArray[np.float32]:
    """Weights along a side: 1 in the middle, little at the ends."""
    middle = (np.arange(length) + 0.5) / length
    weights: NDArray[np.float32] = (_EDGE + (1 - _EDGE) * (1 - np.abs(2 * middle - 1))).astype(
        np.float32
    )
    return weights
