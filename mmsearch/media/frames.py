"""Chooses the frames of a video that are worth an item: one a scene, none twice."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from mmsearch.media.scenes import HEIGHT, WIDTH, Decision, Look, SceneFinder, is_same, look_at
from mmsearch.media.video import Picture, as_format, read_pictures
from mmsearch.settings import DEFAULT_MAX_MEGAPIXELS

_EVERY = 1 / 6  # seconds between the pictures that are looked at
_SHORTEST = 1.0  # seconds; a shorter shot counts only where few frames are kept otherwise
_SHORT_GAP = 2.0  # seconds from the last kept scene's start that a shorter shot needs
_REMEMBERED = 5  # kept frames that a new one is compared with


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """One frame that stands for a scene.

    Attributes:
        image: mode RGB, upright, with square pixels.
        start: seconds at which the scene starts, or the part of it that looks like this.
        end: seconds until which it looks like this: the scene's end, or the next kept frame of
            the same scene; at most the end of the window.
        time: seconds at which this very picture is seen; ``start <= time < end``.
    """

    image: Image.Image
    start: float
    end: float
    time: float


class FrameSelector:
    """Reads the frames of one video in windows, and remembers what it has kept.

    A window can also be read by a fresh selector, after a restart: then the window's first frame
    may be near-identical to one that was kept before.

    Args:
        path: the video.
        min_size: width and height in pixels that the frames are about to be scaled down to; they
            may then be smaller, but each side keeps at least the longer one of these.
        max_megapixels: a video with larger pictures is refused.
    """

    def __init__(
        self,
        path: Path,
        *,
        min_size: tuple[int, int] | None = None,
        max_megapixels: float = DEFAULT_MAX_MEGAPIXELS,
    ) -> None:
        self._path = path
        self._min_size = min_size
        self._max_megapixels = max_megapixels
        self._kept: deque[Look] = deque(maxlen=_REMEMBERED)
        self._last_start = -_SHORT_GAP

    def frames(self, *, start: float = 0.0, end: float | None = None) -> Iterator[VideoFrame]:
        """Chooses frames of a window. Memory does not grow with its length.

        About six pictures a second are looked at. A scene is represented by its sharpest, stillest
        picture; one that is black, white or of one colour represents nothing, and what looks like
        one of the last kept frames is not kept again.

        Args:
            start: seconds; the window's begin.
            end: seconds; its end (exclusive), or None for the video's.

        Yields:
            Frames in order of time; none where the window shows nothing.

        Raises:
            MediaError: as :func:`mmsearch.media.video.read_pictures` does.
        """
        pictures = read_pictures(
            self._path,
            start=start,
            end=end,
            every=_EVERY,
            min_size=self._min_size,
            max_megapixels=self._max_megapixels,
        )
        pending: VideoFrame | None = None
        for scene in _scenes(pictures):
            if scene.best is None:
                continue
            picture, look = scene.best
            if pending is not None and is_same(self._kept[-1], look):
                pending = replace(pending, end=scene.end)
                continue
            if self._is_too_much(scene) or any(is_same(kept, look) for kept in self._kept):
                continue
            if pending is not None:
                yield pending
            pending = VideoFrame(picture.to_image(), scene.start, scene.end, picture.time)
            self._kept.append(look)
            self._last_start = scene.start
        if pending is not None:
            yield pending

    def _is_too_much(self, scene: _Scene) -> bool:
        is_short = scene.end - scene.start < _SHORTEST and not scene.is_open
        return is_short and scene.start - self._last_start < _SHORT_GAP


class _Scene:
    """A stretch of time that looks alike, and its best picture so far."""

    def __init__(self, start: float) -> None:
        self.start = start
        self.end = start
        self.is_open = False  # it may go on behind the end of the window
        self.best: tuple[Picture, Look] | None = None
        self._merit = 0.0

    def add(self, picture: Picture, look: Look, merit: float) -> None:
        self.end = picture.time + picture.length
        if not look.is_blank and (self.best is None or merit > self._merit):
            self.best, self._merit = (picture, look), merit


def _scenes(pictures: Iterable[Picture]) -> Iterator[_Scene]:
    """Cuts a stream of pictures into scenes; their ends meet the starts of the next."""
    scene: _Scene | None = None
    for picture, look, decision in _decided(pictures):
        if scene is None or decision.starts_scene:
            if scene is not None:
                scene.end = picture.time
                yield scene
            scene = _Scene(picture.time)
        scene.add(picture, look, decision.merit)
    if scene is not None:
        scene.is_open = True
        yield scene


def _decided(pictures: Iterable[Picture]) -> Iterator[tuple[Picture, Look, Decision]]:
    finder = SceneFinder()
    waiting: deque[tuple[Picture, Look]] = deque()
    for picture in pictures:
        look = _look(picture)
        waiting.append((picture, look))
        for decision in finder.push(look):
            yield (*waiting.popleft(), decision)
    for decision in finder.finish():
        yield (*waiting.popleft(), decision)


def _look(picture: Picture) -> Look:
    planes = as_format(picture.frame, "yuv420p", (WIDTH, HEIGHT)).to_ndarray()
    chroma = planes[HEIGHT:].reshape(2, HEIGHT // 2, WIDTH // 2)
    return look_at(picture.time, planes[:HEIGHT], *chroma)
