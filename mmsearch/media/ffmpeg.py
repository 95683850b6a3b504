"""Opens recordings and videos with FFmpeg (PyAV), and words its errors.

PyAV discards FFmpeg's log unless the program that uses it asks for it (``av.logging``), so there
is nothing to silence and no process-wide state to change.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mmsearch.errors import MediaError, UnreadableFileError, UnsupportedFormatError
from mmsearch.media.files import os_reason

if TYPE_CHECKING:
    from av.container import InputContainer

# FFmpeg tells formats by content. Playlists (hls, concat, dash, sdp) that are called .mp4 would
# make it open other files and addresses; only formats that hold their own data are allowed.
_CONTAINERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,eac3,flac,flv,matroska,mov,mp3,mpeg,mpegts,mpegvideo,"
    "mxf,ogg,wav,w64,wv"
)
_OPTIONS = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}


@contextmanager
def open_media(path: Path) -> Iterator[InputContainer]:
    """Opens a recording or a video; errors while it is open are ours too. Safe with threads.

    Args:
        path: the file; its format is told from the content.

    Yields:
        The container, closed afterwards.

    Raises:
        UnreadableFileError: it may not be read, vanished, is empty, damaged, or ends early. The
            message is the reason alone and does not repeat the path.
        UnsupportedFormatError: FFmpeg has no decoder for what it holds.
    """
    import av

    with ffmpeg_errors():
        if "\0" in str(path):
            raise UnreadableFileError("no file can have this path")
        if path.stat().st_size == 0:
            raise UnreadableFileError("the file is empty")
        # Absolute, so that no file name can be taken for a protocol.
        with av.open(str(path.absolute()), options=_OPTIONS, metadata_errors="replace") as opened:
            yield opened


@contextmanager
def ffmpeg_errors() -> Iterator[None]:
    """Turns the errors of PyAV and the operating system into those of mmsearch.

    Raises:
        UnreadableFileError: any of them.
        UnsupportedFormatError: a decoder is missing.
    """
    try:
        yield
    except (MediaError, GeneratorExit):
        raise
    except Exception as error:
        reason = _reason(error)
        if reason is None:
            raise
        raise reason from error


def _reason(error: Exception) -> MediaError | None:
    """The error of ours for one of FFmpeg's or the system's; None for any other."""
    import av

    if isinstance(error, av.error.LookupError):
        return UnsupportedFormatError(
            "FFmpeg has no decoder for what it holds; convert it to a common format"
        )
    if isinstance(error, av.error.InvalidDataError):
        return UnreadableFileError(
            "it is damaged, ends early, or is no known recording or video format"
        )
    if isinstance(error, EOFError):
        return UnreadableFileError("it ends early")
    if isinstance(error, MemoryError):
        return UnreadableFileError("there is not enough memory to read it")
    if isinstance(error, OSError):
        return UnreadableFileError(os_reason(error))
    if isinstance(error, av.FFmpegError):
        return UnreadableFileError(f"FFmpeg cannot read it: {error.strerror}")
    return None
