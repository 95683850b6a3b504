"""Photos with something in them, and copies of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance

SIZE = (480, 360)


def scene(seed: int) -> Image.Image:
    """Blurred colours with shapes before them; another seed is another photo."""
    random = np.random.default_rng(seed)
    colours = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    picture = Image.fromarray(colours).resize(SIZE, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    for _ in range(8):
        x, y = random.integers(0, SIZE[0]), random.integers(0, SIZE[1])
        width, height = random.integers(30, 150, 2)
        colour = tuple(random.integers(0, 256, 3).tolist())
        draw.ellipse((x - width, y - height, x + width, y + height), fill=colour)
    return picture


def save(picture: Image.Image, path: Path, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, **options)
    return path


def resized(picture: Image.Image, factor: float) -> Image.Image:
    return picture.resize((round(picture.width * factor), round(picture.height * factor)))


def cropped(picture: Image.Image, share: float) -> Image.Image:
    """Less at the left and at the top."""
    return picture.crop(
        (round(picture.width * share), round(picture.height * share), picture.width, picture.height)
    )


def brightened(picture: Image.Image) -> Image.Image:
    return ImageEnhance.Brightness(picture).enhance(1.15)
