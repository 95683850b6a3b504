"""Reads the pictures of a video, upright and as displayed, and what it tells about itself."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from PIL import Image

from mmsearch.errors import ImageTooLargeError, NothingToIndexError, UnreadableFileError
from mmsearch.items import MediaInfo
from mmsearch.media.ffmpeg import open_media
from mmsearch.media.tags import read_tags
from mmsearch.settings import DEFAULT_MAX_MEGAPIXELS

if TYPE_CHECKING:
    from av import Packet, VideoFrame, VideoStream
    from av.container import InputContainer

_LOG = logging.getLogger(__name__)

Turn: TypeAlias = Image.Transpose

_TURNS = {
    (0, 1, -1, 0): Turn.ROTATE_270,
    (-1, 0, 0, -1): Turn.ROTATE_180,
    (0, -1, 1, 0): Turn.ROTATE_90,
    (-1, 0, 0, 1): Turn.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): Turn.FLIP_TOP_BOTTOM,
    (0, 1, 1, 0): Turn.TRANSPOSE,
    (0, -1, -1, 0): Turn.TRANSVERSE,
}  # from the a, b, c, d of a display matrix (x' = ax + cy, y' = bx + dy)
_SIDEWAYS = frozenset((Turn.ROTATE_90, Turn.ROTATE_270, Turn.TRANSPOSE, Turn.TRANSVERSE))

_UNSPECIFIED = 2  # AVCOL_SPC_UNSPECIFIED: players take BT.709 for HD and BT.601 below
_HD_HEIGHT = 720
_MAX_SQUEEZE = 8  # a pixel's width to height, or the reverse; beyond, the file is wrong
_MANY_FRAMES = 20  # a second, from where on those that no other depends on can be left out
_BELIEVED = 4 * 3600.0  # seconds; damaged headers claim centuries, which would all be looked at
_LONGEST_PACKET = 60.0  # seconds on average, in a file that is longer than that
_MAX_JUMP = 10.0  # seconds that a time may lie behind the end before it counts as damaged


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a video tells about itself.

    Attributes:
        info: size as displayed, duration, time, place and camera. A time without a zone of its
            own is in UTC, as the containers define it.
        captions: title, description and comment, in this order, without repetitions.
        has_picture: whether it has moving pictures; a recording in a video's container, with or
            without a cover, has none.
        has_sound: whether it has a sound track.
    """

    info: MediaInfo
    captions: tuple[str, ...]
    has_picture: bool
    has_sound: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded frame of a video.

    Attributes:
        time: seconds from the start of the video.
        length: seconds until the next frame, as far as the file says.
        frame: possibly reduced; neither turned nor stretched to square pixels yet.
        turn: how it is to be turned.
        aspect: width to height of a pixel, before turning.
    """

    time: float
    length: float
    frame: VideoFrame
    turn: Turn | None
    aspect: float

    def to_image(self) -> Image.Image:
        """The picture as displayed: mode RGB, upright, with square pixels."""
        image: Image.Image = as_format(self.frame, "rgb24").to_image()
        size = _square(image.size, self.aspect)
        if size != image.size:
            image = image.resize(size, Image.Resampling.BICUBIC)
        return image if self.turn is None else image.transpose(self.turn)


def probe_video(path: Path, *, max_megapixels: float = DEFAULT_MAX_MEGAPIXELS) -> VideoInfo:
    """Reads what a video tells about itself, and makes sure that its pictures can be decoded.

    Raises:
        UnreadableFileError: it is damaged, ends early, or none of its pictures can be decoded.
        UnsupportedFormatError: FFmpeg has no decoder for it.
        ImageTooLargeError: its pictures have more than ``max_megapixels``.
    """
    with open_media(path) as container:
        tags = read_tags([container.metadata, *(stream.metadata for stream in container.streams)])
        stream = _video_stream(container)
        width, height = None, None
        if stream is not None:
            _prepare(stream, max_megapixels)
            first = next(_decode(container, stream), None)
            if first is None:
                raise UnreadableFileError("none of its pictures can be decoded")
            width, height = _square((first.frame.width, first.frame.height), first.aspect)
            if first.turn in _SIDEWAYS:
                width, height = height, width
        return VideoInfo(
            MediaInfo(
                width=width,
                height=height,
                captured_at=tags.captured_at,
                latitude=tags.latitude,
                longitude=tags.longitude,
                camera=tags.camera,
                duration=_duration(container),
            ),
            tags.captions,
            has_picture=stream is not None,
            has_sound=bool(container.streams.audio),
        )


def read_pictures(
    path: Path,
    *,
    start: float = 0.0,
    end: float | None = None,
    every: float = 0.0,
    min_size: tuple[int, int] | None = None,
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS,
) -> Iterator[Picture]:
    """Decodes a part of a video, in order of time. Damaged stretches are passed over.

    Args:
        path: the video.
        start: seconds; the first picture is the first one at or after it.
        end: seconds; the last picture is the last one before it.
        every: seconds from one picture to the next at least; 0 for all of them. Where it is not
            0, pictures that no other depends on may be left out undecoded.
        min_size: width and height in pixels that the pictures are about to be scaled down to;
            they may then be smaller, but each side keeps at least the longer one of these.
        max_megapixels: a video with larger pictures is refused.

    Raises:
        NothingToIndexError: it has no moving pictures.
        UnreadableFileError: it may not be read, or is damaged as a whole.
        UnsupportedFormatError: FFmpeg has no decoder for it.
        ImageTooLargeError: its pictures have more than ``max_megapixels``.
    """
    side = max(min_size) if min_size else None
    with open_media(path) as container:
        stream = _stream_or_fail(container)
        _prepare(stream, max_megapixels)
        if every and (stream.average_rate or 0) >= _MANY_FRAMES:
            stream.codec_context.skip_frame = "NONREF"
        if start > 0:
            _seek(container, stream, start)
        due = start
        for picture in _decode(container, stream):
            if end is not None and picture.time >= end:
                return
            if picture.time < due:
                continue
            due = max(due + every, picture.time + every / 2)
            yield _reduce(picture, side)


def frames_at(
    path: Path,
    times: Sequence[float],
    *,
    min_size: tuple[int, int] | None = None,
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS,
) -> Iterator[Image.Image]:
    """Reads what is seen at given moments, with one seek each.

    Args:
        path: the video.
        times: seconds, in any order; behind the end stands the last picture.
        min_size: as of `read_pictures`.
        max_megapixels: as of `read_pictures`.

    Yields:
        One upright RGB image a time, in the order of ``times``.

    Raises:
        MediaError: as `read_pictures` does; UnreadableFileError also where nothing can be decoded
            at one of the times.
    """
    side = max(min_size) if min_size else None
    with open_media(path) as container:
        stream = _stream_or_fail(container)
        _prepare(stream, max_megapixels)
        for time in times:
            seen = None
            _seek(container, stream, max(0.0, time))
            for picture in _decode(container, stream):
                if seen is not None and picture.time > time + 1e-3:
                    break
                seen = picture
            if seen is None:
                raise UnreadableFileError(f"its picture at {time:.1f} s cannot be decoded")
            yield _reduce(seen, side).to_image()


def as_format(
    frame: VideoFrame, pixel_format: str, size: tuple[int, int] | None = None
) -> VideoFrame:
    """Converts a frame, and scales it with averaging; colours as a player shows them."""
    is_hd = frame.colorspace == _UNSPECIFIED and frame.height >= _HD_HEIGHT
    colours = "ITU709" if is_hd else None
    width, height = size or (frame.width, frame.height)
    return frame.reformat(
        width,
        height,
        pixel_format,
        src_colorspace=colours,
        dst_colorspace=colours,
        interpolation="AREA",
    )


def _video_stream(container: InputContainer) -> VideoStream | None:
    """The first stream of moving pictures; covers and thumbnails are none."""
    from av.stream import Disposition

    still = Disposition.attached_pic | Disposition.timed_thumbnails
    streams = (s for s in container.streams.video if not s.disposition & still)
    return next(streams, None)


def _stream_or_fail(container: InputContainer) -> VideoStream:
    stream = _video_stream(container)
    if stream is None:
        raise NothingToIndexError("it has no pictures, only sound")
    return stream


def _prepare(stream: VideoStream, max_megapixels: float) -> None:
    """Sets the decoder up, which opens with the first packet."""
    from av.error import DecoderNotFoundError

    context = stream.codec_context
    if context is None:
        raise DecoderNotFoundError(0, "no decoder")
    megapixels = context.width * context.height / 1e6
    if megapixels > max_megapixels:
        raise ImageTooLargeError(
            f"it has {context.width} x {context.height} pixels ({megapixels:,.1f} megapixels), "
            f"more than the limit of {max_megapixels:g}; "
            f"raise it with --max-megapixels {int(megapixels) + 1}"
        )
    # The size may grow later in the file, where the container does not say it.
    context.options = {"max_pixels": str(int(max_megapixels * 1e6) + 1)}
    context.thread_type = "AUTO"
    context.thread_count = _cores()


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def _zero(container: InputContainer) -> float:
    """The time in the file that players show as 0."""
    return (container.start_time or 0) / 1e6


def _duration(container: InputContainer) -> float | None:
    """Seconds; where no header says it, or not believably, the last packet's end does."""
    if container.duration is not None and 0 < container.duration <= _BELIEVED * 1e6:
        return float(container.duration / 1e6)
    container.seek(0)
    ends = [
        float((packet.pts + (packet.duration or 0)) * packet.time_base)
        for packet in _packets(container, None)
        if packet.pts is not None
    ]
    longest = len(ends) * _LONGEST_PACKET
    return min(longest, max(0.0, max(ends) - _zero(container))) if ends else None


def _seek(container: InputContainer, stream: VideoStream, time: float) -> None:
    """Goes to the last key frame before a time, or to the start where the format cannot."""
    import av

    try:
        container.seek(int((time + _zero(container)) * 1e6), backward=True)
    except av.FFmpegError:
        container.seek(0, any_frame=True)


def _packets(container: InputContainer, stream: VideoStream | None) -> Iterator[Packet]:
    """The packets of a stream up to the end, or to where the file cannot be read on."""
    import av

    try:
        yield from container.demux(*([stream] if stream else []))
    except av.FFmpegError as error:
        _LOG.info("%s: stops at a damaged place: %s", container.name, error)


def _decode(container: InputContainer, stream: VideoStream) -> Iterator[Picture]:
    """Decodes from the current position on; times rise strictly."""
    import av

    zero = _zero(container)
    length = float(1 / stream.average_rate) if stream.average_rate else 0.04
    limit = container.duration / 1e6 + _MAX_JUMP if container.duration else float("inf")
    last = None
    damaged = 0
    for packet in _packets(container, stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            damaged += 1
            continue
        for frame in frames:
            time = frame.time - zero if frame.pts is not None else None
            if time is None:  # a stream without times
                time = 0.0 if last is None else last + length
            if (last is not None and time <= last) or time > limit:
                continue
            last = time
            aspect = _aspect(frame, stream)
            yield Picture(time, length, frame, _turn(frame), aspect)
    if damaged:
        _LOG.info("%s: passed over %d damaged packets", container.name, damaged)


def _aspect(frame: VideoFrame, stream: VideoStream) -> float:
    aspect = stream.sample_aspect_ratio or Fraction(1)
    return float(aspect) if 1 / _MAX_SQUEEZE <= aspect <= _MAX_SQUEEZE else 1.0


def _turn(frame: VideoFrame) -> Turn | None:
    """How a frame's display matrix turns it, to the nearest quarter."""
    import struct

    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return None
    a, b, _, c, d = struct.unpack_from("=5i", bytes(data))
    largest = max(abs(a), abs(b), abs(c), abs(d), 1)
    return _TURNS.get(tuple(round(x / largest) for x in (a, b, c, d)))


def _square(size: tuple[int, int], aspect: float) -> tuple[int, int]:
    """A size in square pixels; it never shrinks."""
    width, height = size
    return (round(width * aspect), height) if aspect >= 1 else (width, round(height / aspect))


def _reduce(picture: Picture, side: int | None) -> Picture:
    """Scales a frame down while both sides stay at least as long as ``side``."""
    frame = picture.frame
    smaller = min(frame.width, frame.height)
    if side is None or smaller <= side:
        return picture
    size = (
        max(side, round(frame.width * side / smaller)),
        max(side, round(frame.height * side / smaller)),
    )
    reduced = as_format(frame, "yuv420p", size)
    return Picture(picture.time, picture.length, reduced, picture.turn, picture.aspect)
