"""Decodes the sound of recordings and videos, as speech recognition takes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import NothingToIndexError, UnreadableFileError, UnsupportedFormatError
from mmsearch.media.ffmpeg import open_media

if TYPE_CHECKING:
    from av import AudioFrame, Packet
    from av.audio.stream import AudioStream
    from av.container import InputContainer

Sound: TypeAlias = NDArray[np.float32]
"""float32, shape (n,), mono at `SAMPLE_RATE`, -1 to 1."""

SAMPLE_RATE = 16_000
"""Samples a second of decoded sound; what Whisper and Silero VAD take."""

_TimedFrame: TypeAlias = "tuple[int | None, AudioFrame]"
# A frame, and the sample from the file's beginning at which it is heard; None: after the last.

_MAX_RATE = 768_000  # of a stream; beyond it a header is damaged
# Samples that a stream's times may run ahead of its sound before that counts as a gap.
_GAP = SAMPLE_RATE // 10
_LONGEST_GAP = 60 * SAMPLE_RATE  # where the container does not know its duration
_WARM_UP = 1.0  # seconds decoded and dropped after seeking: codecs need earlier packets
_PATIENCE = 100  # errors before the rest of a file is given up

# Containers that store times, and so seek to the sample. In others (mp3, aac, mpeg) FFmpeg
# guesses the time of a byte from the bit rate; they are decoded from the beginning, which takes
# a few seconds an hour.
_SEEKABLE = frozenset(("mov", "matroska", "webm", "wav", "w64", "flac", "ogg", "aiff", "caf", "au"))


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a file tells about its sound.

    Attributes:
        duration: seconds of the whole file, an estimate in formats that do not store it; None
            where it is not known.
        has_sound: whether there is a sound track at all.
    """

    duration: float | None
    has_sound: bool


def probe_audio(path: Path) -> AudioInfo:
    """Reads the header of a recording or a video.

    Raises:
        UnreadableFileError: it may not be read, is empty, damaged, or no recording or video.
        UnsupportedFormatError: FFmpeg has no decoder for it.
    """
    with open_media(path) as container:
        sound = _sound_track(container)
        return AudioInfo(_duration(container), sound is not None)


def decode_audio(path: Path, *, start: float = 0.0) -> Iterator[Sound]:
    """Decodes the default sound track of a recording or a video, in constant memory.

    Sample ``n`` of everything that is yielded is heard ``start + n / SAMPLE_RATE`` seconds after
    the file's beginning. Where packets are damaged or missing there is silence. Channels are
    mixed to one.

    Args:
        path: the file; its format is told from the content.
        start: seconds from the file's beginning.

    Yields:
        The samples in order, in pieces of any length but zero; nothing where the file ends before
        ``start``.

    Raises:
        UnreadableFileError: nothing in it can be decoded as sound.
        UnsupportedFormatError: FFmpeg has no decoder for it.
        NothingToIndexError: it has no sound track.
    """
    first = round(start * SAMPLE_RATE)
    if first > 0:
        with open_media(path) as container:
            position, frames = _seek(container, start)
            if position is not None and position <= first:
                yield from _from(first, position, _join(frames, position, _length(container)))
                return
    with open_media(path) as container:
        frames = _frames(container, _required_track(container))
        yield from _from(first, 0, _join(frames, 0, _length(container)))


def _sound_track(container: InputContainer) -> AudioStream | None:
    from av.audio.stream import AudioStream

    track = container.streams.best("audio")
    if not isinstance(track, AudioStream):
        return None
    if track.codec_context is None:
        raise UnsupportedFormatError("FFmpeg has no decoder for its sound")
    if not 0 < track.codec_context.sample_rate <= _MAX_RATE:
        raise UnreadableFileError(
            f"it is damaged: its header claims {track.codec_context.sample_rate:,} samples a second"
        )
    return track


def _required_track(container: InputContainer) -> AudioStream:
    if (track := _sound_track(container)) is not None:
        return track
    if container.streams.video and not container.streams.audio:
        raise NothingToIndexError("it has no sound")
    raise UnreadableFileError("no sound in it can be decoded: it is damaged or ends early")


def _duration(container: InputContainer) -> float | None:
    return container.duration / 1e6 if container.duration and container.duration > 0 else None


def _length(container: InputContainer) -> int:
    """Samples of the whole file as far as the container knows, else 0."""
    return round((_duration(container) or 0.0) * SAMPLE_RATE)


def _seek(container: InputContainer, start: float) -> tuple[int | None, Iterator[_TimedFrame]]:
    """Goes to somewhat before ``start``.

    Returns:
        The frames from there on, and the sample at which they begin; None for the sample where
        the container does not tell, and then the frames are of no use.
    """
    import av

    track = _required_track(container)
    if not _SEEKABLE.isdisjoint(container.format.name.split(",")):
        target = max(0.0, start - _WARM_UP) * 1e6 + (container.start_time or 0)
        with suppress(av.FFmpegError):
            container.seek(round(target))
            frames = _frames(container, track)
            next(frames, None)  # codecs shorten it, as if it were the file's first one
            if (following := next(frames, None)) is not None:
                return following[0], chain((following,), frames)
    return None, iter(())


def _from(first: int, position: int, pieces: Iterator[Sound]) -> Iterator[Sound]:
    """Drops what is heard before the sample ``first``; the pieces begin at ``position``."""
    for piece in pieces:
        if position >= first:
            yield piece
        elif position + len(piece) > first:
            yield piece[first - position :]
        position += len(piece)


def _join(frames: Iterator[_TimedFrame], position: int, length: int) -> Iterator[Sound]:
    """Mixes and resamples frames, with silence where some are missing.

    Args:
        frames: the first one is heard at the sample ``position`` or later.
        position: samples from the file's beginning.
        length: samples of the whole file, if known.
    """
    mixer: _Mixer | None = None
    tolerance = 0  # the first frame begins exactly when it says
    for heard, frame in frames:
        expected = position + (mixer.held if mixer else 0)
        gap = 0 if heard is None else heard - expected
        # times beyond the end of the file are damaged
        is_gap = tolerance < gap <= max(length - expected, _LONGEST_GAP)
        if mixer is not None and (is_gap or not mixer.takes(frame)):
            for piece in mixer.rest():
                position += len(piece)
                yield piece
            mixer = None
        if is_gap:
            yield from _silence(gap)
            position += gap
        mixer = mixer or _Mixer(frame)
        for piece in mixer.mix(frame):
            position += len(piece)
            yield piece
        tolerance = _GAP
    if mixer is None:
        raise UnreadableFileError("no sound in it can be decoded: it is damaged or ends early")
    yield from mixer.rest()


def _frames(container: InputContainer, track: AudioStream) -> Iterator[_TimedFrame]:
    """Decodes frames from where the container is; damaged packets are left out."""
    import av

    origin = (container.start_time or 0) / 1e6
    errors = 0
    for packet in _packets(container, track):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            errors += 1
            if errors > _PATIENCE:
                return
            continue
        for frame in frames:
            if frame.samples and 0 < frame.sample_rate <= _MAX_RATE:
                errors = 0
                yield _heard(frame, origin), frame


def _packets(container: InputContainer, track: AudioStream) -> Iterator[Packet[AudioStream]]:
    """Reads packets, and reads on after damage."""
    import av

    for _ in range(_PATIENCE):
        try:
            yield from container.demux(track)
        except av.error.InvalidDataError:  # behind it there may be more
            continue
        except (av.FFmpegError, EOFError):  # the rest is missing
            pass
        return


def _heard(frame: AudioFrame, origin: float) -> int | None:
    if frame.pts is None or frame.time_base is None:
        return None
    return round((float(frame.pts * frame.time_base) - origin) * SAMPLE_RATE)


class _Mixer:
    """Resamples and mixes frames that have one format; a stream may change its own midway."""

    def __init__(self, frame: AudioFrame) -> None:
        from av import AudioResampler

        self._format = _format(frame)
        self._resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        self._taken = 0.0  # seconds
        self._given = 0  # samples

    @property
    def held(self) -> int:
        """Samples that were taken and not given yet."""
        return round(self._taken * SAMPLE_RATE) - self._given

    def takes(self, frame: AudioFrame) -> bool:
        return _format(frame) == self._format

    def mix(self, frame: AudioFrame) -> Iterator[Sound]:
        self._taken += frame.samples / frame.sample_rate
        frame.pts = None  # times are not the resampler's business
        return self._sounds(self._resampler.resample(frame))

    def rest(self) -> Iterator[Sound]:
        """Takes out what the resampler holds back."""
        return self._sounds(self._resampler.resample(None))

    def _sounds(self, mixed: list[AudioFrame | None]) -> Iterator[Sound]:
        for frame in mixed:
            if frame is not None and frame.samples:
                self._given += frame.samples
                # files of floating-point numbers can hold anything
                sound = np.nan_to_num(frame.to_ndarray()[0], nan=0.0, posinf=0.0, neginf=0.0)
                yield np.clip(sound, -1.0, 1.0)


def _format(frame: AudioFrame) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _silence(samples: int) -> Iterator[Sound]:
    while samples > 0:
        length = min(samples, SAMPLE_RATE)
        yield np.zeros(length, np.float32)
        samples -= length
