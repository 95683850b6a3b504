"""Catalogued files over HTTP: what they are, and answers with all or a part of one."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote

import anyio
from fastapi import Response
from fastapi.responses import StreamingResponse

from mmsearch.media.files import changed_ns, os_reason
from mmsearch.media.formats import Format, MediaKind, identify, kind_of, suffix_of
from mmsearch.server.errors import error_answer
from mmsearch.server.ranges import Part, UnsatisfiableRangeError, Version, part_of
from mmsearch.server.refusal import Refusal

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

_BLOCK = 1 << 18
_HEAD = 256  # bytes that tell what a photo is

# What is sent is shown as it is, and nothing in it can run or fetch.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; media-src 'self'; sandbox"

_PHOTOS = {
    Format.JPEG: "image/jpeg",
    Format.PNG: "image/png",
    Format.WEBP: "image/webp",
    Format.AVIF: "image/avif",
    Format.GIF: "image/gif",
    Format.TIFF: "image/tiff",
    Format.BMP: "image/bmp",
    Format.JPEG_2000: "image/jp2",
    Format.PNM: "image/x-portable-anymap",
    Format.HEIF: "image/heic",
}
_TIMED = {
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".flac": "audio/flac",
    **dict.fromkeys((".ogg", ".oga", ".opus"), "audio/ogg"),
    **dict.fromkeys((".m4a", ".m4b"), "audio/mp4"),
    ".aac": "audio/aac",
    ".wma": "audio/x-ms-wma",
    **dict.fromkeys((".aif", ".aiff", ".aifc"), "audio/aiff"),
    ".amr": "audio/amr",
    ".caf": "audio/x-caf",
    ".mka": "audio/x-matroska",
    ".au": "audio/basic",
    ".ac3": "audio/ac3",
    **dict.fromkeys((".mp4", ".m4v"), "video/mp4"),
    ".mov": "video/quicktime",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".avi": "video/x-msvideo",
    **dict.fromkeys((".mpg", ".mpeg", ".m2v", ".vob"), "video/mpeg"),
    **dict.fromkeys((".mts", ".m2ts"), "video/mp2t"),
    ".wmv": "video/x-ms-wmv",
    ".flv": "video/x-flv",
    ".3gp": "video/3gpp",
    ".3g2": "video/3gpp2",
    ".ogv": "video/ogg",
}
_UNKNOWN = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file to be sent.

    Attributes:
        file: open for reading; whoever has it closes it.
        size: bytes.
        version: tells this state of it from others.
        content_type: its media type.
        name: what it is called.
    """

    file: BinaryIO
    size: int
    version: Version
    content_type: str
    name: str

    def headers(self, *, download: bool) -> dict[str, str]:
        """The headers of every answer about it."""
        return {
            **self.version.headers,
            "Accept-Ranges": "bytes",
            "Cache-Control": "private, no-cache",
            "Content-Disposition": disposition(self.name, download=download),
            "Content-Security-Policy": _POLICY,
            "X-Content-Type-Options": "nosniff",
        }


def open_file(path: Path) -> OpenFile:
    """Opens a catalogued file.

    Raises:
        Refusal: it is gone, may not be read, or is no longer what it was indexed as.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for ever
            raise Refusal(404, "FileGoneError", f"{path.name} is no file any more.")
        file = path.open("rb")
    except OSError as error:
        raise gone(path, error) from error
    try:
        status = os.fstat(file.fileno())
        head = file.read(_HEAD)
        content_type = _content_type(path, head)
    except OSError as error:
        file.close()
        raise gone(path, error) from error
    except Refusal:
        file.close()
        raise
    version = Version.of(status.st_size, changed_ns(status))
    return OpenFile(file, status.st_size, version, content_type, path.name)


def gone(path: Path, error: OSError) -> Refusal:
    """The answer about a file that is catalogued and cannot be read."""
    return Refusal(
        404,
        "FileGoneError",
        f"{path.name} cannot be read: {os_reason(error)}. Index its folder again, or plug its "
        "drive in.",
    )


def answer_with(
    opened: OpenFile, headers: Mapping[str, str], *, download: bool, is_head: bool
) -> Response:
    """All of a file, the part that is asked for, or that the caller has it already.

    Args:
        opened: closed when the answer is sent.
        headers: of the request, by lower-case names.
        download: whether a browser is to store the file instead of showing it.
        is_head: whether only the headers are sent.
    """
    own = opened.headers(download=download)
    if opened.version.is_known(headers):
        opened.file.close()
        return Response(status_code=304, headers=own)
    asked = headers.get("range") if opened.version.allows_range(headers) else None
    try:
        part = part_of(asked, opened.size)
    except UnsatisfiableRangeError:
        opened.file.close()
        return error_answer(
            416,
            "RangeError",
            f"The file has {opened.size} bytes, and the range lies outside of it.",
            headers={"Content-Range": f"bytes */{opened.size}"},
        )
    length = opened.size if part is None else part.length
    own |= {"Content-Length": str(length), "Content-Type": opened.content_type}
    if part is not None:
        last = part.start + part.length - 1
        own["Content-Range"] = f"bytes {part.start}-{last}/{opened.size}"
    status = 200 if part is None else 206
    if is_head:
        opened.file.close()
        return Response(status_code=status, headers=own)
    return _FileAnswer(opened.file, part or Part(0, opened.size), status, own)


def disposition(name: str, *, download: bool) -> str:
    """A ``Content-Disposition`` header (RFC 6266) that no file name can break out of."""
    plain = "".join(c if " " <= c <= "~" and c not in '"\\%' else "_" for c in name)
    exact = quote(os.fsencode(name), safe="")
    kind = "attachment" if download else "inline"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{exact}"


def _content_type(path: Path, head: bytes) -> str:
    kind = kind_of(path.name)
    if kind is MediaKind.TEXT:
        return "text/plain; charset=utf-8"
    if kind is not MediaKind.PHOTO:
        return _TIMED.get(suffix_of(path.name), _UNKNOWN)
    found = identify(head, path.suffix)
    if found is None:
        raise Refusal(422, "UnreadableFileError", f"{path.name} is no photo any more.")
    return _PHOTOS.get(found, _UNKNOWN)


class _FileAnswer(StreamingResponse):
    """Sends a part of a file, and closes it however the sending ends."""

    def __init__(self, file: BinaryIO, part: Part, status: int, headers: dict[str, str]) -> None:
        self._file = file
        super().__init__(_blocks(file, part), status_code=status, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()


async def _blocks(file: BinaryIO, part: Part) -> AsyncIterator[bytes]:
    """Reads in threads, so that a slow disk keeps nobody else waiting."""
    await anyio.to_thread.run_sync(file.seek, part.start)
    left = part.length
    while left and (block := await anyio.to_thread.run_sync(file.read, min(_BLOCK, left))):
        left -= len(block)
        yield block
