"""Whatever the bytes, a photo is decoded or refused in words."""

from __future__ import annotations

import io
import random
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mmsearch.errors import MediaError, UnreadableFileError
from mmsearch.media.image import read_image

NAMES = ["jpg", "progressive.jpg", "png", "webp", "avif", "gif", "tif", "lzw.tif", "bmp"]
NAMES += ["jp2", "ppm", "heic"]


@cache
def sample(name: str) -> bytes:
    """A small noisy photo with metadata in the format of this name."""
    rng = np.random.default_rng(0)
    pixels = np.kron(rng.integers(0, 236, (12, 16, 3)), np.ones((4, 4, 1)))
    image = Image.fromarray((pixels + rng.integers(0, 20, pixels.shape)).astype(np.uint8))
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Canon", 6
    exif.get_ifd(0x8769)[0x9003] = "2008:05:30 15:56:01"
    forms = {"jpg": "JPEG", "tif": "TIFF", "jp2": "JPEG2000", "ppm": "PPM"}
    options = {
        "progressive.jpg": {"progressive": True, "exif": exif},
        "lzw.tif": {"compression": "tiff_lzw"},
        "gif": {},
        "bmp": {},
        "jp2": {},
        "ppm": {},
    }
    suffix = name.rpartition(".")[2]
    target = io.BytesIO()
    if suffix == "heic":
        pillow_heif = pytest.importorskip("pillow_heif")
        pillow_heif.from_pillow(image).save(target)
    else:
        image.save(target, forms.get(suffix, suffix.upper()), **options.get(name, {"exif": exif}))
    return target.getvalue()


def outcome(data: bytes, suffix: str) -> str:
    """``ok`` or the reason; any error but MediaError fails the test."""
    try:
        decoded = read_image(data, suffix=suffix, max_megapixels=4, min_size=(8, 8))
    except MediaError as error:
        return str(error)
    assert decoded.image.mode == "RGB"
    return "ok"


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_whole(name: str) -> None:
    assert outcome(sample(name), f".{name}") == "ok"


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_cut_off_says_so(name: str) -> None:
    """Halfway and later, but before the last pixels."""
    data = sample(name)
    for share in (0.5, 0.7, 0.9):
        with pytest.raises(UnreadableFileError, match=r"data ends early$"):
            read_image(data[: int(len(data) * share)], suffix=f".{name}")


@pytest.mark.parametrize("name", NAMES)
def test_cut_off_anywhere(name: str) -> None:
    data = sample(name)
    step = max(1, len(data) // 150)
    reasons = {outcome(data[:end], f".{name}") for end in [*range(0, len(data), step), *range(40)]}
    assert "the file is empty" in reasons
    assert all(len(reason) < 80 and "\n" not in reason for reason in reasons)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    changes=st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=12),
    in_header=st.booleans(),
)
def test_changed_bytes(name: str, changes: list[tuple[int, int]], in_header: bool) -> None:
    data = bytearray(sample(name))
    for position, value in changes:
        data[position % min(len(data), 256 if in_header else len(data))] = value
    assert outcome(bytes(data), f".{name}")


@settings(max_examples=200, deadline=None)
@given(
    start=st.sampled_from([b"", *(sample(name)[:16] for name in NAMES if name != "heic")]),
    rest=st.binary(max_size=300),
    suffix=st.sampled_from([".jpg", ".nef", ".dng", ".x"]),
)
def test_random_bytes_behind_a_true_start(start: bytes, rest: bytes, suffix: str) -> None:
    assert outcome(start + rest, suffix)


def test_a_damaged_middle_is_not_called_cut_off() -> None:
    data = bytearray(sample("png"))
    middle = len(data) // 2
    data[middle : middle + 40] = random.Random(0).randbytes(40)
    with pytest.raises(UnreadableFileError, match=r"^the PNG data is damaged$"):
        read_image(bytes(data), suffix=".png")


def test_reasons_keep_their_cause() -> None:
    with pytest.raises(UnreadableFileError) as caught:
        read_image(sample("jpg")[:-200], suffix=".jpg")
    assert isinstance(caught.value.__cause__, OSError)
