"""Photos to measure with: noise with the spectrum of photos, so that codecs work as on photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

_SCENES = 2
_SIDE = 1024  # pixels of the square in which a scene is made
_GRAIN = 3.0  # grey levels of sensor noise, which decides how large the files become


def make_photos(
    folder: Path, count: int, *, width: int, height: int, quality: int, grain: float = _GRAIN
) -> int:
    """Writes JPEGs into a folder, subsampled as cameras do (4:2:0).

    Each is a cut-out of one of a few scenes whose spectrum falls as 1/f (Field 1987).

    Returns:
        Their mean size in bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    margin = 64
    scenes = [_scene(generator, width + margin, height + margin, grain) for _ in range(_SCENES)]
    size = 0
    for number in range(count):
        left, top = (int(value) for value in generator.integers(0, margin, 2))
        scene = scenes[number % _SCENES][top : top + height, left : left + width]
        path = folder / f"{number:05}.jpg"
        # Each file has content of its own, as copies are not decoded again.
        marked = Image.fromarray(scene if number % 8 < _SCENES else scene[:, ::-1])
        marked.save(path, quality=quality, subsampling="4:2:0", comment=str(number).encode())
        size += path.stat().st_size
    return size // count


def _scene(
    generator: np.random.Generator, width: int, height: int, grain: float
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    frequency = np.hypot(np.fft.fftfreq(_SIDE)[:, None], np.fft.rfftfreq(_SIDE)[None, :])
    fall = 1 / np.maximum(frequency, 1 / _SIDE)
    planes = []
    for _ in range(3):
        spectrum = np.fft.rfft2(generator.standard_normal((_SIDE, _SIDE))) * fall
        plane = np.fft.irfft2(spectrum)
        planes.append(plane / plane.std())
    light = planes[0]
    colours = np.stack([120 + 50 * (0.8 * light + 0.2 * plane) for plane in planes], axis=2)
    smooth = Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8))
    large = np.asarray(smooth.resize((width, height), Image.Resampling.BICUBIC), dtype=np.int16)
    # The sensor's noise comes in tiles, as drawing 12 million numbers three times takes seconds.
    tile = (grain * generator.standard_normal((256, 256, 3))).astype(np.int16)
    noise = np.tile(tile, (height // 256 + 1, width // 256 + 1, 1))[:height, :width]
    return np.clip(large + noise, 0, 255).astype(np.uint8)
