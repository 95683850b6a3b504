"""Opens a photo by its content.

The decoder's class is called directly instead of ``PIL.Image.open``: no format outside of our
list is ever tried, no plugin has to be registered for the whole process, and Pillow's own
process-wide pixel limit does not interfere with ours.
"""

from __future__ import annotations

import io
import logging

from PIL.ImageFile import ImageFile

from mmsearch.errors import UnreadableFileError, UnsupportedFormatError
from mmsearch.media.formats import Format, identify

# Scaled decoding and resizing then stay above 48 dB PSNR against resizing the full decode; with
# no gap it would be 40 dB, at 15% less time.
_DRAFT_GAP = 1.5
_PILLOW_LOG = logging.getLogger("PIL")
_NO_OUTPUT = logging.NullHandler()


def identify_or_fail(data: bytes, suffix: str) -> Format:
    """The format of the content.

    Raises:
        UnreadableFileError: it is not a photo, whatever its name says.
    """
    if found := identify(data, suffix):
        return found
    start = data[:256].lstrip().lower()
    if not data:
        reason = "the file is empty"
    elif not data[:4096].strip(b"\0"):
        reason = "it holds zeros where a photo should be"
    elif start.startswith((b"<!doctype html", b"<html")):
        reason = "it is a web page, not a photo"
    else:
        reason = "its content is not that of a known photo format"
    raise UnreadableFileError(reason)


def missing_extra(kind: Format) -> UnsupportedFormatError:
    """The error for a format whose extra is not installed."""
    return UnsupportedFormatError(
        f'{kind.value} photos need an extra: install it with `pip install "mmsearch[{kind.extra}]"`'
    )


def open_image(data: bytes, kind: Format) -> ImageFile:
    """Reads the header of a photo; pixels come with ``load``.

    Call it within :func:`mmsearch.media.damage.codec_errors`.

    Args:
        data: the whole file.
        kind: its format; anything but camera RAW.

    Raises:
        UnsupportedFormatError: the format's extra is not installed.
    """
    return _decoder(kind)(io.BytesIO(data))


def decode_smaller(image: ImageFile, side: int) -> None:
    """Has a JPEG decoded at 1/2, 1/4 or 1/8 of its size, both sides staying above ``side``."""
    wanted = round(side * _DRAFT_GAP)
    image.draft(None, (wanted, wanted))


def _decoder(kind: Format) -> type[ImageFile]:
    match kind:
        case Format.JPEG:
            from PIL.JpegImagePlugin import JpegImageFile

            return JpegImageFile
        case Format.PNG:
            from PIL.PngImagePlugin import PngImageFile

            return PngImageFile
        case Format.WEBP:
            from PIL.WebPImagePlugin import WebPImageFile

            return WebPImageFile
        case Format.AVIF:
            from PIL.AvifImagePlugin import AvifImageFile

            return AvifImageFile
        case Format.GIF:
            from PIL.GifImagePlugin import GifImageFile

            return GifImageFile
        case Format.TIFF:
            from PIL.TiffImagePlugin import TiffImageFile

            # Pillow logs odd files as errors, which Python prints where no handler is set.
            _PILLOW_LOG.addHandler(_NO_OUTPUT)
            return TiffImageFile
        case Format.BMP:
            from PIL.BmpImagePlugin import BmpImageFile

            return BmpImageFile
        case Format.JPEG_2000:
            from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

            return Jpeg2KImageFile
        case Format.PNM:
            from PIL.PpmImagePlugin import PpmImageFile

            return PpmImageFile
        case Format.HEIF:
            try:
                from pillow_heif import HeifImageFile
            except ImportError as error:
                raise missing_extra(kind) from error
            return HeifImageFile  # type: ignore[no-any-return]
        case Format.RAW:
            raise ValueError("camera RAW files are opened by mmsearch.media.raw")
