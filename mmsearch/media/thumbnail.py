"""Small pictures of photos and of moments in videos, to be looked at: JPEG or WebP.

As everywhere in this package, transparent pixels lie over white, colours are converted to sRGB,
photos are upright, and only as much is decoded as the size needs. Thumbnails carry no metadata: a
small picture of a photo does not tell where it was taken.
"""

from __future__ import annotations

import io
from enum import StrEnum
from pathlib import Path

from PIL import Image

from mmsearch.media.codecs import identify_or_fail, open_image
from mmsearch.media.damage import codec_errors
from mmsearch.media.files import read_bytes
from mmsearch.media.formats import Format
from mmsearch.media.image import read_image
from mmsearch.settings import DEFAULT_MAX_MEGAPIXELS

SIZES = (128, 256, 512, 1024, 2048, 4096)
"""Pixels of a thumbnail's longer side. Few, so that what is kept is used again."""

_QUALITIES = {"jpeg": 82, "webp": 78}  # of the same looks
_REDUCING_GAP = 2.0  # as good as resizing all at once, and faster


class Encoding(StrEnum):
    """How a thumbnail is stored."""

    JPEG = "jpeg"
    WEBP = "webp"

    @property
    def content_type(self) -> str:
        """The media type."""
        return f"image/{self.value}"


def size_for(pixels: int) -> int:
    """The smallest of `SIZES` that has so many pixels, or the largest of them."""
    return next((size for size in SIZES if size >= pixels), SIZES[-1])


def photo_thumbnail(
    data: bytes,
    *,
    suffix: str,
    size: int,
    encoding: Encoding = Encoding.JPEG,
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS,
) -> bytes:
    """Makes a thumbnail of a photo. Safe to call from several threads.

    Args:
        data: the whole file.
        suffix: of the file's name, with the dot, in any case.
        size: pixels of the longer side; a smaller photo is not enlarged.
        encoding: of the result.
        max_megapixels: a photo with more is refused before its pixels are decoded.

    Raises:
        MediaError: as `mmsearch.media.image.read_image` does.
    """
    side = _shorter_side(data, suffix, size)
    photo = read_image(data, suffix=suffix, max_megapixels=max_megapixels, min_size=(side, side))
    return encode(photo.image, size, encoding)


def frame_thumbnail(
    path: Path,
    time: float,
    *,
    size: int,
    encoding: Encoding = Encoding.JPEG,
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS,
) -> bytes:
    """Makes a thumbnail of what a video shows at a moment.

    Args:
        path: the video.
        time: seconds; behind the end stands the last picture.
        size: pixels of the longer side; a smaller picture is not enlarged.
        encoding: of the result.
        max_megapixels: a video with larger pictures is refused.

    Raises:
        MediaError: as `mmsearch.media.video.frames_at` does.
    """
    from mmsearch.media.video import frames_at

    (picture,) = frames_at(path, [time], min_size=(size, size), max_megapixels=max_megapixels)
    return encode(picture, size, encoding)


def thumbnail(
    path: Path,
    *,
    time: float | None = None,
    size: int = 512,
    encoding: Encoding = Encoding.JPEG,
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS,
) -> bytes:
    """Makes a thumbnail of a file; see `photo_thumbnail` and `frame_thumbnail`.

    Args:
        path: a photo, or a video where ``time`` is given.
        time: seconds into a video.
        size: pixels of the longer side.
        encoding: of the result.
        max_megapixels: larger pictures are refused.

    Raises:
        MediaError: it cannot be read or decoded.
    """
    if time is not None:
        return frame_thumbnail(
            path, time, size=size, encoding=encoding, max_megapixels=max_megapixels
        )
    data = read_bytes(path)
    return photo_thumbnail(
        data, suffix=path.suffix, size=size, encoding=encoding, max_megapixels=max_megapixels
    )


def encode(picture: Image.Image, size: int, encoding: Encoding) -> bytes:
    """Scales a picture down and encodes it.

    Args:
        picture: mode RGB, upright.
        size: pixels of the longer side; a smaller picture is not enlarged.
        encoding: of the result.
    """
    scale = size / max(picture.size)
    if scale < 1:
        width, height = (max(1, round(side * scale)) for side in picture.size)
        picture = picture.resize(
            (width, height), Image.Resampling.LANCZOS, reducing_gap=_REDUCING_GAP
        )
    else:
        picture = picture.copy()
    picture.info.clear()  # Pillow would write EXIF, comments and profiles
    written = io.BytesIO()
    quality = _QUALITIES[encoding.value]
    if encoding is Encoding.WEBP:
        picture.save(written, "WEBP", quality=quality, method=3)
    else:
        picture.save(written, "JPEG", quality=quality, optimize=True, progressive=True)
    return written.getvalue()


def _shorter_side(data: bytes, suffix: str, size: int) -> int:
    """Pixels of a thumbnail's shorter side, to decode no more than that; from the header alone."""
    kind = identify_or_fail(data, suffix)
    if kind is Format.RAW:
        return size
    with codec_errors(kind, data):
        short, long = sorted(open_image(data, kind).size)
    return max(1, round(size * short / max(1, long)))
