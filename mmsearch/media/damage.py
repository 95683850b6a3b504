"""Says in words why a photo cannot be decoded, and keeps the codecs quiet."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

from PIL import Image

from mmsearch.errors import ImageTooLargeError, MediaError, UnreadableFileError
from mmsearch.media.formats import Format

_QUIET = ("ignore", None, Warning, re.compile(r"(PIL|pillow_heif|rawpy)\b"), 0)


@contextmanager
def codec_errors(kind: Format, data: bytes) -> Iterator[None]:
    """Turns whatever a codec raises on bad bytes into an ``UnreadableFileError``, without warnings.

    Codecs raise nearly every built-in exception on hostile input, so that a list of them would
    always lack one.

    Args:
        kind: the format, for the message.
        data: the whole file, to tell one that is cut off from one that is damaged.
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
        raise UnreadableFileError(_reason(kind, data, error)) from error


_UNSUPPORTED = re.compile(r"unsupported|unknown (pixel|raw|compression)|cannot handle", re.I)
_CUT = re.compile(r"truncated|unexpected end of file|too small|incomplete", re.I)


def _reason(kind: Format, data: bytes, error: Exception) -> str:
    text = str(error)
    if _ends_early(kind, data, text):
        return f"the {kind.value} data ends early"
    if isinstance(error, NotImplementedError) or _UNSUPPORTED.search(text):
        return f"it is a rare kind of {kind.value} that cannot be decoded, or is damaged"
    return f"the {kind.value} data is damaged"


def _ends_early(kind: Format, data: bytes, text: str) -> bool:
    """Whether the end of the file is missing; by its structure, for codecs often guess wrong."""
    match kind:
        case Format.JPEG:  # no end after the last start of a scan
            return data.rfind(b"\xff\xd9") <= data.rfind(b"\xff\xda")
        case Format.PNG:
            return b"IEND" not in data
        case Format.GIF:
            return not data.rstrip(b"\0").endswith(b";")
        case Format.WEBP:
            return int.from_bytes(data[4:8], "little") + 8 > len(data)
        case Format.AVIF | Format.HEIF:
            return _last_box_ends_after(data)
        case Format.JPEG_2000:
            return not data.rstrip(b"\0").endswith(b"\xff\xd9")
        case Format.TIFF if len(data) >= 8:  # the directory of most TIFFs comes last
            order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
            is_classic = data[2:4] in (b"*\0", b"\0*")
            if is_classic and int.from_bytes(data[4:8], order) >= len(data):
                return True
    return _CUT.search(text) is not None


def _last_box_ends_after(data: bytes) -> bool:
    """Whether the boxes of an ISO base media file (ISO/IEC 14496-12) go on after its end."""
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size == 0:  # to the end of the file
            return False
        at += max(size, 8)
    return at > len(data)


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
