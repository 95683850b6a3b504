"""Small generated photos."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

MESSY = Path(__file__).parents[3] / "shared" / "data" / "messy"


@pytest.fixture(scope="session")
def scene() -> Image.Image:
    """64 x 48 RGB: two ramps and a red square in the upper left, unlike any of its turns."""
    x, y = np.meshgrid(np.linspace(0, 255, 64), np.linspace(0, 255, 48))
    pixels = np.stack([x, y, 255 - x], axis=-1).round().astype(np.uint8)
    pixels[4:16, 4:16] = (255, 0, 0)
    return Image.fromarray(pixels)


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    """Encodes an image as Pillow's ``save`` does."""

    def to_bytes(image: Image.Image, form: str, **options: Any) -> bytes:
        target = io.BytesIO()
        image.save(target, form, **options)
        return target.getvalue()

    return to_bytes


@pytest.fixture(scope="session")
def messy() -> Path:
    """Camera files that are not part of the project."""
    if not MESSY.is_dir():
        pytest.skip("the camera files of ../shared/data/messy are not here")
    return MESSY


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may enter, which pytest's own need not be."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def unprivileged() -> Callable[[], AbstractContextManager[None]]:
    """A context in which permissions bind even where the tests run as root."""

    @contextmanager
    def drop() -> Iterator[None]:
        if os.geteuid() != 0:
            yield
            return
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)

    return drop
