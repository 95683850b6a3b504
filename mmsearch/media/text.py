"""Plain text and Markdown files become passages."""

from __future__ import annotations

import codecs
import json
import re
from pathlib import Path

from mmsearch.errors import NothingToIndexError, UnreadableFileError
from mmsearch.media.files import os_reason, read_bytes
from mmsearch.media.formats import suffix_of
from mmsearch.media.passages import Fits, cut_passages

MAX_TEXT_MEGABYTES = 20
"""Larger files are logs and data; the longest novels have a few megabytes."""

MARKDOWN_SUFFIXES = frozenset((".md", ".markdown"))
"""Lower case, with the dot."""

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")
_MOST_CONTROL = 0.02  # share of control characters that text may have; binary data has a tenth
_LOOKED_AT = 65_536  # characters


def read_text_file(path: Path, fits: Fits) -> list[str]:
    """Reads a plain text or Markdown file in passages.

    Args:
        path: a text file in UTF-8, in UTF-16 or UTF-32 with a byte order mark, or in Windows-1252.
        fits: what :meth:`~mmsearch.encoders.base.DualEncoder.fits` says.

    Returns:
        Passages as :func:`~mmsearch.media.passages.cut_passages` makes them; never empty.

    Raises:
        UnreadableFileError: it may not be read, is empty or too large, or holds binary data.
        NothingToIndexError: it holds no word.
    """
    text = decode_text(read_small(path, MAX_TEXT_MEGABYTES))
    if suffix_of(path.name) in MARKDOWN_SUFFIXES:
        from mmsearch.media.markdown import plain_text

        text = plain_text(text)
    passages = [passage for passage in cut_passages(text, fits) if any(map(str.isalnum, passage))]
    if not passages:
        raise NothingToIndexError("it holds no words")
    return passages


def read_small(path: Path, megabytes: int) -> bytes:
    """Reads a file whole unless it is too large, which is told without reading it.

    Raises:
        UnreadableFileError: it may not be read, is empty, or has more than ``megabytes``.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UnreadableFileError(os_reason(error)) from error
    except ValueError as error:  # a NUL in the path
        raise UnreadableFileError("no file can have this path") from error
    if size > megabytes * 1_000_000:
        raise UnreadableFileError(
            f"it has {size / 1e6:,.1f} MB, more than the limit of {megabytes} MB for such a file"
        )
    return read_bytes(path)


def parse_json(text: str) -> object:
    """Reads JSON that lies beside a file; all who read the same one find the same wrong with it.

    Raises:
        UnreadableFileError: it is damaged, or holds what nobody writes.
    """
    try:
        document: object = json.loads(text.lstrip("\ufeff"))
    except json.JSONDecodeError as error:
        raise UnreadableFileError(f"it is not valid JSON (line {error.lineno})") from error
    except RecursionError as error:
        raise UnreadableFileError("its JSON nests too deeply") from error
    except ValueError as error:
        raise UnreadableFileError("its JSON holds a number that is too large") from error
    return document


def decode_text(data: bytes) -> str:
    """Decodes text in UTF-8, in UTF-16 or UTF-32 with a byte order mark, or in Windows-1252.

    Raises:
        UnreadableFileError: it is binary data.
    """
    text = _decode(data)
    start = text[:_LOOKED_AT]
    if "\0" in text or len(_CONTROL.findall(start)) > 1 + _MOST_CONTROL * len(start):
        raise UnreadableFileError("it holds binary data, not text")
    return text


def without_surrogates(text: str) -> str:
    """A text from JSON, whose escapes can say halves of characters, which nothing can store."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _decode(data: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            try:
                return data[len(mark) :].decode(encoding)
            except UnicodeDecodeError as error:
                name = encoding.upper()
                raise UnreadableFileError(f"it is not valid {name} (byte {error.start})") from error
    for encoding in ("utf-8", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")
