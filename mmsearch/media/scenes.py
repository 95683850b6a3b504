"""Where one scene of a video ends and the next begins, told from small thumbnails.

A cut is where the pictures before and after differ far more than neighbouring pictures do
nearby, as in the adaptive detector of PySceneDetect (Castellano), so that pans and shaking
cameras cut nothing. Two things differ from it. Before and after are medians of three pictures
each, which a flash cannot move; and thumbnails are compared without their brightness and
contrast, which fades and automatic exposure change. Slow changes that never cut start a new
scene once they have added up.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Plane: TypeAlias = NDArray[np.uint8]
"""One plane of a picture: luma or chroma."""

Thumbnail: TypeAlias = NDArray[np.float32]
"""Luma and chroma of coarse cells in one vector, without brightness and contrast."""

WIDTH, HEIGHT = 256, 144
"""Of the picture that `look_at` takes; chroma has half of each."""

_COLUMNS, _ROWS = 16, 9  # of a thumbnail
_CONTRAST_FLOOR = 8.0  # grey levels: below, thumbnails are noise
_BLANK_DEVIATION = 4.0  # grey levels
_BLANK_RANGE = 24.0

_SAME = 0.35
_CUT = 0.4
_CUT_TO_MOTION = 4.0
_SURE_CUT = 0.85
_TO_BLANK = 2.0  # more than any difference
_DRIFT = 0.75
_DRIFT_SECONDS = 4.0
_LONGEST = 15.0  # seconds

_REACH = 3  # pictures on either side of a cut that are compared
_LAG = 2 * _REACH  # pictures that have to follow before one is decided on
_PAST = 9  # pictures before the one that is decided on


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What a picture looks like, in a few numbers.

    Attributes:
        time: seconds.
        thumbnail: of unit length.
        sharpness: logarithm of the Laplacian's variance (Pech-Pacheco et al., 2000).
        is_blank: black, white or of one colour.
    """

    time: float
    thumbnail: Thumbnail
    sharpness: float
    is_blank: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """What `SceneFinder` says of one picture.

    Attributes:
        starts_scene: whether a new scene starts with it.
        merit: how well it stands for its scene; larger is better.
    """

    starts_scene: bool
    merit: float


def look_at(time: float, luma: Plane, blue: Plane, red: Plane) -> Look:
    """Describes a picture.

    Args:
        time: seconds.
        luma: uint8, shape (HEIGHT, WIDTH).
        blue: uint8, shape (HEIGHT / 2, WIDTH / 2), chroma around 128.
        red: likewise.
    """
    light, *colours = (_cells(plane) for plane in (luma, blue, red))
    is_blank = all(_is_uniform(cells) for cells in (light, *colours))
    planes = [_blurred(light - light.mean()), *(_blurred(cells) - 128 for cells in colours)]
    floor = np.full(1, _CONTRAST_FLOOR * math.sqrt(_COLUMNS * _ROWS), np.float32)
    thumbnail = np.concatenate([*(plane.ravel() for plane in planes), floor])
    return Look(time, thumbnail / np.linalg.norm(thumbnail), _sharpness(luma), is_blank)


def difference(a: Thumbnail, b: Thumbnail) -> float:
    """How unlike two thumbnails are: 0 for equal ones, about 1 for unrelated pictures."""
    likeness = float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))
    return math.sqrt(max(0.0, 1 - likeness))


def is_same(a: Look, b: Look) -> bool:
    """Whether two pictures are near-identical."""
    return difference(a.thumbnail, b.thumbnail) < _SAME


class SceneFinder:
    """Decides for each picture of a video whether a scene starts with it.

    It looks ahead: decisions come in order, `_LAG` pictures late, the last ones by `finish`.
    """

    def __init__(self) -> None:
        self._looks: deque[Look] = deque()
        self._steps: deque[float] = deque()  # difference of each from the one before
        self._changes: deque[float] = deque()  # of the medians before and after each
        self._decided = 0  # of the looks that are held
        self._scene: list[Look] = []  # the first ones of the present scene

    def push(self, look: Look) -> list[Decision]:
        """Takes the next picture, and returns what can now be decided."""
        before = self._looks[-1] if self._looks else None
        self._steps.append(difference(before.thumbnail, look.thumbnail) if before else 0.0)
        self._looks.append(look)
        if len(self._looks) >= _REACH:
            self._changes.append(self._change(len(self._changes)))
        decisions = []
        while len(self._looks) - self._decided > _LAG:
            decisions.append(self._decide())
        return decisions

    def finish(self) -> list[Decision]:
        """Returns the decisions on the last pictures."""
        while len(self._changes) < len(self._looks):
            self._changes.append(self._change(len(self._changes)))
        decisions = []
        while self._decided < len(self._looks):
            decisions.append(self._decide())
        return decisions

    def _decide(self) -> Decision:
        i = self._decided
        look = self._looks[i]
        starts = not self._scene or self._is_cut(i) or self._has_drifted(i)
        if starts:
            self._scene.clear()
        if len(self._scene) < _REACH:
            self._scene.append(look)
        motion = max(self._steps[i], self._steps[i + 1] if i + 1 < len(self._steps) else 0.0)
        if self._decided < _PAST:
            self._decided += 1
        else:
            for held in (self._looks, self._steps, self._changes):
                held.popleft()
        return Decision(starts, look.sharpness - 4 * motion)

    def _change(self, i: int) -> float:
        """How much the pictures from ``i`` on differ from those before."""
        if i == 0:
            return 0.0
        looks = list(self._looks)
        before, after = looks[max(0, i - _REACH) : i], looks[i : i + _REACH]
        if all(look.is_blank for look in before) != all(look.is_blank for look in after):
            return _TO_BLANK
        return difference(_median(before), _median(after))

    def _is_cut(self, i: int) -> bool:
        change = self._changes[i]
        near = [self._changes[j] for j in range(i - _REACH, i + _REACH + 1) if self._is_held(j)]
        if change < _CUT or change < max(near):
            return False
        around = [
            self._steps[j]
            for j in range(i - _PAST + 1, i + _LAG)
            if self._is_held(j) and abs(j - i) >= _REACH
        ]
        motion = float(np.median(around)) if around else 0.0
        return change > min(_CUT_TO_MOTION * motion, _SURE_CUT)

    def _is_held(self, i: int) -> bool:
        return 0 < i < len(self._changes)

    def _has_drifted(self, i: int) -> bool:
        looks = list(self._looks)[i : i + _REACH]
        age = looks[0].time - self._scene[0].time
        if age >= _LONGEST:
            return True
        if age < _DRIFT_SECONDS or self._changes[i] < max(self._coming(i), default=0.0):
            return False  # young, or in a transition whose middle is still to come
        return difference(_median(self._scene), _median(looks)) > _DRIFT

    def _coming(self, i: int) -> list[float]:
        return list(self._changes)[i + 1 : i + _REACH + 1]


def _is_uniform(cells: NDArray[np.float32]) -> bool:
    return float(cells.std()) < _BLANK_DEVIATION and float(np.ptp(cells)) < _BLANK_RANGE


def _cells(plane: Plane) -> NDArray[np.float32]:
    height, width = plane.shape
    cells = plane.reshape(_ROWS, height // _ROWS, _COLUMNS, width // _COLUMNS)
    means: NDArray[np.float32] = cells.mean(axis=(1, 3), dtype=np.float32)
    return means


def _blurred(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weights 1, 2, 1 both ways: a moved edge then changes little."""
    padded = np.pad(cells, 1, mode="edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    blurred: NDArray[np.float32] = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 16
    return blurred


def _sharpness(luma: Plane) -> float:
    pixels = luma.astype(np.float32)
    inner = pixels[1:-1, 1:-1]
    around = pixels[:-2, 1:-1] + pixels[2:, 1:-1] + pixels[1:-1, :-2] + pixels[1:-1, 2:]
    return float(np.log(np.var(around - 4 * inner) + 1))


def _median(looks: Sequence[Look]) -> Thumbnail:
    """Per value the middle one of up to three; the mean of two."""
    thumbnails = [look.thumbnail for look in looks]
    if len(thumbnails) < _REACH:
        return np.mean(thumbnails, axis=0, dtype=np.float32)  # type: ignore[no-any-return]
    a, b, c = thumbnails
    return np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))
