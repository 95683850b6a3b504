"""Measures how well scenes are found in videos that are made of photos, and how fast.

    python -m benchmarks.video_frames PHOTOS [--videos 20] [--seconds 60]

Each video shows random photos for 2 to 8 seconds with a camera that stands, pans, zooms or
shakes, photo flashes, noise, and cuts, dissolves or fades between them.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.measure import markdown
from mmsearch.media.frames import FrameSelector
from tests.filmed import Frame, moving, write_video

CAMERAS = {
    "still": {"drift": (0.0, 0.0)},
    "drift": {"drift": (0.05, 0.02)},
    "pan": {"drift": (0.5, 0.0)},
    "zoom": {"drift": (0.0, 0.0), "zoom": 0.5},
    "shake": {"drift": (0.05, 0.0), "shake": 0.015},
}
FPS = 24
TOLERANCE = 1.0  # seconds


@dataclass(frozen=True)
class Made:
    """A generated video, and where its scenes start and end in seconds."""

    path: Path
    scenes: list[tuple[float, float]]


def make(path: Path, photos: list[Path], seed: int, camera: str, join: str, seconds: float) -> Made:
    rng = random.Random(seed)
    size = (320, 240)
    shots: list[list[Frame]] = []
    total = 0.0
    while total < seconds:
        length = rng.uniform(2, 8)
        options = dict(CAMERAS[camera], noise=4.0, seed=rng.randrange(1 << 30))
        with Image.open(rng.choice(photos)) as photo:
            shot = list(moving(photo, round(length * FPS), size, **options))
        if rng.random() < 0.3:  # a photo flash of one to three frames
            at = rng.randrange(FPS // 2, len(shot) - FPS // 2)
            for i in range(at, at + rng.randint(1, 3)):
                shot[i] = np.clip(shot[i] * 1.5 + 110, 0, 255).astype(np.uint8)
        shots.append(shot)
        total += length
    frames, starts = _join(shots, 0 if join == "cut" else FPS, is_fade=join == "fade")
    times = [i / FPS for i in range(len(frames))]
    write_video(path, zip(frames, times, strict=True), fps=FPS)
    ends = [*starts[1:], len(frames) / FPS]
    return Made(path, list(zip(starts, ends, strict=True)))


def _join(
    shots: list[list[Frame]], overlap: int, *, is_fade: bool
) -> tuple[list[Frame], list[float]]:
    """Joins shots by a cut, a dissolve, or a fade through black; a scene starts halfway."""
    frames, starts = list(shots[0]), [0.0]
    for shot in shots[1:]:
        mixed = min(overlap, len(shot) // 2, len(frames) // 2)
        starts.append((len(frames) - mixed / 2) / FPS)
        tail = frames[len(frames) - mixed :]
        del frames[len(frames) - mixed :]
        for i, (old, new) in enumerate(zip(tail, shot, strict=False)):
            part = (i + 1) / (mixed + 1)
            if is_fade:
                mix = old * max(0.0, 1 - 2.5 * part) + new * max(0.0, 2.5 * part - 1.5)
            else:
                mix = old * (1 - part) + new * part
            frames.append(mix.astype(np.uint8))
        frames += shot[mixed:]
    return frames, starts


def score(made: Made) -> tuple[int, int, int, int]:
    """Counts scenes, scenes found at the right moment, frames, and seconds."""
    kept = [(f.start, f.time) for f in FrameSelector(made.path, min_size=(224, 224)).frames()]
    found = sum(
        any(abs(start - begin) <= TOLERANCE and begin <= at < end for start, at in kept)
        for begin, end in made.scenes
    )
    return len(made.scenes), found, len(kept), round(made.scenes[-1][1])


def rows(photos: list[Path], videos: int, seconds: float) -> Iterator[list[object]]:
    with tempfile.TemporaryDirectory() as folder:
        for join in ("cut", "dissolve", "fade"):
            for camera in CAMERAS:
                counts = np.zeros(4, int)
                for seed in range(videos):
                    path = Path(folder) / f"{join}-{camera}-{seed}.mp4"
                    counts += score(make(path, photos, seed, camera, join, seconds))
                    path.unlink()
                scenes, found, kept, length = counts
                yield [join, camera, scenes, f"{found / scenes:.1%}", f"{found / kept:.1%}",
                       f"{kept / length * 60:.1f}"]  # fmt: skip


def speed(photos: list[Path], seconds: int = 20) -> list[list[object]]:
    """Reads H.264 of 1920 x 1080 with 30 frames a second."""
    done: list[list[object]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hd.mp4"
        shots: list[Frame] = []
        for i, photo in enumerate(photos[: seconds // 5]):
            with Image.open(photo) as image:
                shots += moving(image, 150, (1920, 1080), drift=(0.1, 0.02), noise=3.0, seed=i)
        times = [i / 30 for i in range(len(shots))]
        write_video(path, zip(shots, times, strict=True), fps=30, codec="libx264",
                    options={"preset": "veryfast", "crf": "23"})  # fmt: skip
        for size in ((224, 224), (960, 960), None):
            started = time.perf_counter()
            kept = list(FrameSelector(path, min_size=size).frames())
            took = time.perf_counter() - started
            done.append([f"{size}", len(kept), f"{len(shots) / 30 / took:.1f} x real time"])
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, help="a folder of photos")
    parser.add_argument("--videos", type=int, default=4, help="of each kind")
    parser.add_argument("--seconds", type=float, default=60, help="of each video")
    args = parser.parse_args()
    photos = sorted(args.photos.glob("*.jpg"))
    random.Random(0).shuffle(photos)
    heading = ["between scenes", "camera", "scenes", "recall", "precision", "frames a minute"]
    print(markdown(heading, list(rows(photos, args.videos, args.seconds))))
    print()
    print(markdown(["min_size", "frames", "speed"], speed(photos)))


if __name__ == "__main__":
    main()
