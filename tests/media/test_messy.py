"""Real camera files, where they are at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmsearch.errors import MediaError
from mmsearch.media.discover import FoundFile, discover
from mmsearch.media.files import read_bytes
from mmsearch.media.formats import MediaKind, is_photo
from mmsearch.media.image import DecodedImage, read_image


def decode(path: Path) -> DecodedImage:
    return read_image(read_bytes(path), suffix=path.suffix, min_size=(128, 128))


def test_every_file_is_decoded_or_says_why(messy: Path) -> None:
    decoded, reasons = 0, []
    for found in discover(messy):
        if not isinstance(found, FoundFile) or found.kind is not MediaKind.PHOTO:
            assert not is_photo(found.path)
            continue
        try:
            image = decode(messy / found.path).image
        except MediaError as error:
            reasons.append(str(error))
        else:
            decoded += image.mode == "RGB"
    assert decoded >= 110
    assert all(reason and "\n" not in reason for reason in reasons)


@pytest.mark.parametrize("name", ["Landscape", "Portrait"])
def test_the_eight_orientations_show_one_picture(messy: Path, name: str) -> None:
    pictures = [decode(messy / "exif-orientation" / f"{name}_{n}.jpg") for n in range(9)]
    first = np.asarray(pictures[1].image).astype(np.int16)
    for picture in pictures:
        assert picture.info.width == pictures[1].info.width
        # Each has its own number written across the middle, and its own compression.
        assert np.abs(np.asarray(picture.image).astype(np.int16) - first).mean() < 5


def test_what_a_camera_tells(messy: Path) -> None:
    info = decode(messy / "exif-samples" / "jpg" / "gps" / "DSCN0010.jpg").info
    assert info.camera == "NIKON COOLPIX P6000"
    assert info.captured_at is not None
    assert info.captured_at.isoformat() == "2008-10-22T16:28:39"
    assert (info.latitude, info.longitude) == pytest.approx((43.467448, 11.885127), abs=1e-6)
