"""Makes videos from still pictures and a wav, so that tests can know what is seen, and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

Frame = NDArray[np.uint8]
"""RGB, shape (height, width, 3)."""

# By suffix: the video codec with its fastest settings, and the sound's.
_CODECS: Mapping[str, tuple[str, dict[str, str], str]] = {
    ".mp4": ("libx264", {"preset": "ultrafast"}, "aac"),
    ".m4v": ("libx264", {"preset": "ultrafast"}, "aac"),
    ".mov": ("libx264", {"preset": "ultrafast"}, "aac"),
    ".mkv": ("libx264", {"preset": "ultrafast"}, "libopus"),
    ".webm": ("libvpx", {"deadline": "realtime", "cpu-used": "8"}, "libopus"),
    ".avi": ("mpeg4", {"qscale": "4"}, "pcm_s16le"),
}
_TICKS = 90_000  # of the clock that frames are timed with, a second


def film(
    path: Path,
    scenes: Sequence[tuple[Image.Image | Path, float]],
    *,
    sound: Path | None = None,
    fps: int = 12,
    size: tuple[int, int] = (320, 240),
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Films still pictures one after the other with hard cuts, each with a slowly moving camera.

    Args:
        path: the video to write; its suffix chooses the codecs: mp4, m4v, mov, mkv, webm, avi.
        scenes: pictures and how many seconds each is seen.
        sound: a wav file that starts with the pictures.
        fps: frames a second.
        size: width and height in pixels.
        metadata: tags of the file, for instance ``title`` or ``creation_time``.

    Returns:
        ``path``.
    """
    frames = (
        (frame, start + i / fps)
        for picture, start, seconds in _with_starts(scenes)
        for i, frame in enumerate(moving(picture, round(seconds * fps), size))
    )
    return write_video(path, frames, sound=sound, fps=fps, metadata=metadata)


def _with_starts(
    scenes: Sequence[tuple[Image.Image | Path, float]],
) -> Iterator[tuple[Image.Image, float, float]]:
    start = 0.0
    for picture, seconds in scenes:
        yield (Image.open(picture) if isinstance(picture, Path) else picture), start, seconds
        start += seconds


def moving(
    picture: Image.Image,
    count: int,
    size: tuple[int, int],
    *,
    drift: tuple[float, float] = (0.05, 0.02),
    zoom: float = 0.0,
    shake: float = 0.0,
    noise: float = 2.0,
    seed: int = 0,
) -> Iterator[Frame]:
    """Looks at a picture with a camera that moves and a sensor that is not perfect.

    Args:
        picture: what is seen; it fills the frame.
        count: how many frames.
        size: width and height in pixels.
        drift: how far the camera moves across and down from the first to the last frame, as a
            part of the frame.
        zoom: how much closer it comes, as a part of the frame.
        shake: standard deviation of its position, as a part of the frame; a hand's tremor.
        noise: standard deviation of the pixels, in grey levels.
        seed: of shake and noise.
    """
    random = np.random.default_rng(seed)
    width, height = size
    room = 1 + max(abs(drift[0]), abs(drift[1])) + zoom + 4 * shake
    large = ImageOps.fit(picture.convert("RGB"), (round(width * room), round(height * room)))
    tiles = [random.normal(0, noise, (height, width, 1)).astype(np.float32) for _ in range(4)]
    hand = np.zeros(2)
    for i in range(count):
        at = i / max(1, count - 1)
        hand = 0.9 * hand + random.normal(0, shake * (1 - 0.9**2) ** 0.5, 2)
        scale = 1 + zoom * (1 - at)
        w, h = width * scale, height * scale
        x = (large.width - w) / 2 + width * (drift[0] * (at - 0.5) + hand[0])
        y = (large.height - h) / 2 + height * (drift[1] * (at - 0.5) + hand[1])
        x, y = (min(max(0.0, x), large.width - w), min(max(0.0, y), large.height - h))
        seen = large.resize(size, Image.Resampling.BILINEAR, (x, y, x + w, y + h))
        yield np.clip(np.asarray(seen) + tiles[i % len(tiles)], 0, 255).astype(np.uint8)


def write_video(
    path: Path,
    frames: Iterable[tuple[Frame, float]],
    *,
    sound: Path | None = None,
    fps: int = 12,
    metadata: Mapping[str, str] | None = None,
    codec: str | None = None,
    pixel_format: str = "yuv420p",
    options: Mapping[str, str] | None = None,
    aspect: Fraction | None = None,
    offset: float = 0.0,
) -> Path:
    """Encodes frames that may come at any times.

    Args:
        path: the video to write; its suffix chooses the codecs unless ``codec`` does.
        frames: pictures of one size with the second at which each is seen, in order.
        sound: a wav file that starts at 0.
        fps: the nominal frame rate.
        metadata: tags of the file.
        codec: an FFmpeg encoder.
        pixel_format: of the encoded frames.
        options: of the encoder.
        aspect: shape of a pixel, width to height.
        offset: seconds that all times in the file are shifted by; may be negative.

    Returns:
        ``path``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    usual, usual_options, sound_codec = _CODECS[path.suffix]
    muxer = {"movflags": "use_metadata_tags"} if path.suffix in (".mp4", ".mov", ".m4v") else {}
    with av.open(str(path), "w", options=muxer) as target:
        target.metadata.update(metadata or {})
        stream = target.add_stream(codec or usual, rate=fps)
        stream.options = dict(usual_options if codec is None else {}) | dict(options or {})
        stream.pix_fmt = pixel_format
        # AVI counts frames; the others keep the time of each.
        ticks = fps if path.suffix == ".avi" else _TICKS
        stream.codec_context.time_base = Fraction(1, ticks)
        sounds = target.add_stream(sound_codec, rate=48_000, layout="mono") if sound else None
        for pixels, seconds in frames:
            if not stream.codec_context.is_open:
                stream.height, stream.width = pixels.shape[:2]
                if aspect is not None:
                    stream.codec_context.sample_aspect_ratio = aspect
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.time_base = Fraction(1, ticks)
            frame.pts = round((seconds + offset) * ticks)
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
        if sound is not None and sounds is not None:
            _add_sound(target, sounds, sound)
    return path


def _add_sound(target: av.container.OutputContainer, stream: av.AudioStream, sound: Path) -> None:
    # Frames of the size that AAC and Opus take, with a time of their own: the encoder's guesses
    # are refused by some containers.
    resampler = av.AudioResampler("fltp", "mono", stream.rate, frame_size=960)
    written = 0
    with av.open(str(sound)) as source:
        for heard in [*source.decode(audio=0), None]:
            for frame in resampler.resample(heard):
                frame.pts, frame.time_base = written, Fraction(1, stream.rate)
                written += frame.samples
                target.mux(stream.encode(frame))
    target.mux(stream.encode())
