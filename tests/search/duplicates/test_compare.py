"""Which photos are copies of each other."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont, ImageOps

from mmsearch.media.fingerprint import SIZE, fingerprint
from mmsearch.media.image import read_image
from mmsearch.search.duplicates.compare import likeness
from mmsearch.search.duplicates.prints import Prints
from tests.search.duplicates.scenes import brightened, cropped, resized, scene

SCENES = range(6)


def saved(picture: Image.Image, kind: str = "JPEG", **options: object) -> Image.Image:
    """What is read of a file that holds the picture."""
    file = BytesIO()
    picture.save(file, kind, **options)
    return read_image(file.getvalue(), suffix=f".{kind.lower()}", min_size=(64, 64)).image


def turned(picture: Image.Image) -> Image.Image:
    """Stored lying on its side, and upright by its EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(picture.transpose(Image.Transpose.ROTATE_90), exif=exif)


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "the same": lambda picture: picture,
    "recompressed": lambda picture: saved(picture, quality=30),
    "webp": lambda picture: saved(picture, "WEBP", quality=60),
    "half": lambda picture: resized(picture, 0.5),
    "a thumbnail": lambda picture: resized(picture, 0.2),
    "brighter": brightened,
    "cropped": lambda picture: cropped(picture, 0.05),
    "turned by EXIF": turned,
}


@pytest.mark.parametrize("change", COPIES.values(), ids=COPIES.keys())
def test_copies_are_told(change: Callable[[Image.Image], Image.Image]) -> None:
    ones = Prints.of([fingerprint(scene(seed)) for seed in SCENES])
    others = Prints.of([fingerprint(change(scene(seed))) for seed in SCENES])

    assert likeness(ones, others).copies.all()
    assert likeness(others, ones).copies.all()


OTHERS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "mirrored": ImageOps.mirror,
    "upside down": ImageOps.flip,
    "in other colours": lambda picture: Image.merge("RGB", picture.split()[::-1]),
    "a third of it": lambda picture: cropped(picture, 0.4),
    "a part painted over": lambda picture: painted_over(picture),
}


def painted_over(picture: Image.Image) -> Image.Image:
    changed = picture.copy()
    changed.paste(resized(scene(99), 0.4), (20, 20))
    return changed


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS.keys())
def test_what_was_changed_is_no_copy(change: Callable[[Image.Image], Image.Image]) -> None:
    ones = Prints.of([fingerprint(scene(seed)) for seed in SCENES])
    others = Prints.of([fingerprint(change(scene(seed))) for seed in SCENES])

    assert not likeness(ones, others).copies.any()


def test_different_photos_are_no_copies() -> None:
    prints = Prints.of([fingerprint(scene(seed)) for seed in range(24)])
    ones, others = np.triu_indices(24, 1)

    assert not likeness(prints[ones], prints[others]).copies.any()


def test_two_pages_of_one_layout_are_no_copies() -> None:
    pages = Prints.of([fingerprint(page(seed)) for seed in range(6)])
    ones, others = np.triu_indices(6, 1)

    assert not likeness(pages[ones], pages[others]).copies.any()


def page(seed: int) -> Image.Image:
    random = np.random.default_rng(seed)
    paper = Image.new("RGB", (595, 842), "white")
    draw = ImageDraw.Draw(paper)
    font = ImageFont.load_default(12)
    for line in range(45):
        words = ["x" * int(length) for length in random.integers(2, 11, 10)]
        draw.text((60, 60 + 16 * line), " ".join(words)[:70], "black", font)
    return paper


def test_photos_of_nothing_are_no_copies_of_each_other() -> None:
    grey = [Image.new("RGB", (300, 200), (level,) * 3) for level in (0, 100, 101, 255)]
    prints = Prints.of([fingerprint(one) for one in grey])
    ones, others = np.triu_indices(4, 1)

    assert not likeness(prints[ones], prints[others]).copies.any()


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (31, 33), (1000, 2)])
def test_photos_of_any_size_have_a_fingerprint(size: tuple[int, int]) -> None:
    print_ = fingerprint(scene(0).resize(size))

    assert len(print_) == SIZE
    found = likeness(Prints.of([print_]), Prints.of([fingerprint(scene(1))]))
    assert np.isfinite(found.agreement).all()
    assert not found.copies.any()
