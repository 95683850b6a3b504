"""Opens a photo by its content and says in words why one cannot be decoded.

The decoder's class is called directly instead of ``PIL.Image.open``: no format outside of our
list is ever tried, no plugin has to be registered for the whole process, and Pillow's own
process-wide pixel limit does not interfere with ours.
"""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from PIL import Image
from PIL.ImageFile import ImageFile

from mmsearch.errors import (
    ImageTooLargeError,
    MediaError,
    UnreadableFileError,
    UnsupportedFormatError,
)
from mmsearch.media.formats import Format, identify

_QUIET = ("ignore", None, Warning, re.compile(r"(PIL|pillow_heif|rawpy)\b"), 0)
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

    Call it within :func:`codec_errors`.

    Args:
        data: the whole file.
        kind: its format; anything but camera RAW.

    Raises:
        UnsupportedFormatError: the format's extra is not installed.
    """
    return _decoder(kind)(io.BytesIO(data))


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


@contextmanager
def codec_errors(kind: Format) -> Iterator[None]:
    """Turns whatever a codec raises on bad bytes into an ``UnreadableFileError``, without warnings.

    Codecs raise nearly every built-in exception on hostile input, so that a list of them would
    always lack one.
    """
    try:
        with _without_warnings():
            yield
    except MediaError:
        raise
    except MemoryError as error:
        raise UnreadableFileError(
            f"there is not enough memory to decode this {kind.value} file"
        ) from error
    except Image.DecompressionBombError as error:
        raise ImageTooLargeError(
            f"it has more pixels than Pillow's {kind.value} decoder accepts"
        ) from error
    except Exception as error:
        raise UnreadableFileError(_reason(kind, error)) from error


_ENDS_EARLY = re.compile(
    r"truncated|incomplete|not enough|end of (file|data|image)|unexpected end|too short|"
    r"reached eof|broken data stream|ended|bytes not processed|too little data",
    re.IGNORECASE,
)
_UNSUPPORTED = re.compile(r"unsupported|unknown (pixel|raw|compression)|cannot handle", re.I)


def _reason(kind: Format, error: Exception) -> str:
    text = str(error)
    if isinstance(error, EOFError) or _ENDS_EARLY.search(text):
        return f"the {kind.value} data ends early"
    if isinstance(error, NotImplementedError) or _UNSUPPORTED.search(text):
        return f"it is a rare kind of {kind.value} that cannot be decoded, or is damaged"
    return f"the {kind.value} data is damaged"


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Silences warnings that the decoders' modules raise, and no others.

    ``warnings.catch_warnings`` swaps the process's whole filter list and is not safe with
    threads. One entry is put into the list and taken out again, which is.
    """
    warnings.filters.insert(0, _QUIET)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        with suppress(ValueError):  # a test runner may have swapped the list meanwhile
            warnings.filters.remove(_QUIET)  # type: ignore[attr-defined]
