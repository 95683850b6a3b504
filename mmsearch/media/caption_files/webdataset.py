"""Captions in webdataset tars: files of one photo, one after the other, share their stem.

The format: https://github.com/webdataset/webdataset#the-webdataset-format
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedIOBase
from pathlib import Path
from typing import Self

from mmsearch.errors import DatasetError, UnreadableFileError
from mmsearch.media.caption_files.record import CaptionRow
from mmsearch.media.captions import describe
from mmsearch.media.descriptions import Description
from mmsearch.media.formats import is_photo
from mmsearch.media.text import decode_text

_CAPTIONS = frozenset(("txt", "caption", "cap", "json"))
_MAX_BYTES = 4_000_000  # of one caption's file
_MAX_HEADER = 1_000_000  # bytes; names and attributes of a file take a few hundred
_EXTENDED = frozenset(
    (
        tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    )
)  # fmt: skip


class _Header(tarfile.TarInfo):
    """Refuses a header that would fill the memory: gigabytes of zeros compress to nothing."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        if header.type in _EXTENDED and header.size > _MAX_HEADER:
            raise tarfile.ReadError(f"a header claims {header.size:,} bytes")
        return header


@dataclass(slots=True)
class _Sample:
    """What stands in a tar of one photo."""

    key: str
    image: str | None = None
    found: Description = field(default_factory=Description)

    def rows(self) -> Iterator[CaptionRow]:
        for caption in self.found.captions():
            yield CaptionRow(self.image or self.key, caption)


def rows(path: Path) -> Iterator[CaptionRow]:
    """Reads the captions of a tar as it streams by; nothing is unpacked.

    A photo is called by its name in the tar, which is its key and its suffix; its captions stand
    in a ``.txt``, ``.caption`` or ``.json`` of the same key.

    Raises:
        DatasetError: it is not there or damaged.
    """
    sample, end = _Sample(""), 0
    try:
        with _open(path) as stream, tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header) as tar:
            for member in tar:
                end = member.offset_data + member.size
                folder, _, name = member.name.removeprefix("./").rpartition("/")
                stem, _, suffix = name.partition(".")
                if not member.isfile() or not stem:
                    continue
                key = f"{folder}/{stem}" if folder else stem
                if key != sample.key:
                    yield from sample.rows()
                    sample = _Sample(key)
                if is_photo(name):
                    sample.image = f"{key}.{suffix}"
                elif suffix.lower() in _CAPTIONS and member.size <= _MAX_BYTES:
                    file = tar.extractfile(member)
                    data = file.read() if file else b""
                    sample.found.extend(_described(data, suffix.lower(), f"{path}, {member.name}"))
            yield from sample.rows()
            if stream.tell() < end:
                raise EOFError("it ends early")
    except FileNotFoundError:
        raise DatasetError(f"There is no file {path}.") from None
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DatasetError(f"{path} is damaged or no tar: {error}") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}.") from error


def _open(path: Path) -> BufferedIOBase:
    """The tar itself; these readers notice where a compressed one ends early, tarfile's do not."""
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"\x1f\x8b"):
        return gzip.open(path)
    if start.startswith(b"BZh"):
        return bz2.open(path)
    if start.startswith(b"\xfd7zXZ\0"):
        return lzma.open(path)
    return path.open("rb")


def _described(data: bytes, suffix: str, where: str) -> Description:
    try:
        text = decode_text(data)
    except UnreadableFileError as error:
        raise DatasetError(f"{where}: {error}.") from error
    if suffix != "json":
        return Description(texts=text.splitlines())
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{where} is not valid JSON: {error}.") from error
    return describe(document) if isinstance(document, dict) else Description()
