"""Camera RAW, on small DNG files written here."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import numpy as np
import pytest
from PIL import Image

from mmsearch.errors import ImageTooLargeError, MediaError, UnreadableFileError
from mmsearch.media.formats import Format, identify, is_photo
from mmsearch.media.image import read_image

pytest.importorskip("rawpy")

Encode = Callable[..., bytes]
Entry = tuple[int, int, list[int] | bytes]
WIDTH, HEIGHT = 96, 64


def directory(entries: list[Entry], at: int) -> bytes:
    """One little-endian TIFF directory, its longer values behind it."""
    letters = {1: "B", 2: "s", 3: "H", 4: "I", 10: "i"}
    table, values = b"", b""
    values_at = at + 2 + 12 * len(entries) + 4
    for tag, kind, value in sorted(entries, key=lambda entry: entry[0]):
        if isinstance(value, bytes):
            raw, count = value, len(value)
        else:
            raw = struct.pack(f"<{len(value)}{letters[kind]}", *value)
            count = len(value) // 2 if kind == 10 else len(value)
        if len(raw) > 4:
            field = struct.pack("<I", values_at + len(values))
            values += raw + b"\0" * (len(raw) % 2)
        else:
            field = raw.ljust(4, b"\0")
        table += struct.pack("<HHI", tag, kind, count) + field
    return struct.pack("<H", len(entries)) + table + b"\0\0\0\0" + values


def dng(
    orientation: int = 1, preview: bytes | None = None, size: tuple[int, int] = (0, 0)
) -> bytes:
    """A DNG of a bright left and a dark right half, with a JPEG preview on request."""
    mosaic = np.full((HEIGHT, WIDTH), 1000, dtype="<u2")
    mosaic[:, : WIDTH // 2] = 12000
    pixels = mosaic.tobytes()
    pixels_at = 8
    preview_at = pixels_at + len(pixels)
    main_at = preview_at + len(preview or b"")
    main_at += main_at % 2
    camera: list[Entry] = [
        (254, 4, [0]), (256, 4, [WIDTH]), (257, 4, [HEIGHT]), (258, 3, [16]), (259, 3, [1]),
        (262, 3, [32803]), (271, 2, b"Maker\0"), (272, 2, b"Model 1\0"), (273, 4, [pixels_at]),
        (274, 3, [orientation]), (277, 3, [1]), (278, 4, [HEIGHT]), (279, 4, [len(pixels)]),
        (306, 2, b"2008:05:30 15:56:01\0"), (33421, 3, [2, 2]), (33422, 1, [0, 1, 1, 2]),
        (50706, 1, [1, 4, 0, 0]), (50708, 2, b"Maker Model 1\0"), (50717, 4, [16383]),
        (50721, 10, [1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1]),
    ]  # fmt: skip
    body = pixels + (preview or b"")
    body += b"\0" * (len(body) % 2)
    if preview is not None:
        camera.append((330, 4, [0]))
        preview_directory_at = main_at + len(directory(camera, main_at))
        camera[-1] = (330, 4, [preview_directory_at])
        body += directory(camera, main_at)
        body += directory(
            [
                (254, 4, [1]), (256, 4, [size[0]]), (257, 4, [size[1]]), (258, 3, [8, 8, 8]),
                (259, 3, [7]), (262, 3, [6]), (273, 4, [preview_at]), (277, 3, [3]),
                (278, 4, [size[1]]), (279, 4, [len(preview)]),
            ],
            preview_directory_at,
        )  # fmt: skip
    else:
        body += directory(camera, main_at)
    return b"II*\0" + struct.pack("<I", main_at) + body


def test_raw_is_told_by_its_name() -> None:
    assert identify(dng(), ".DNG") is Format.RAW
    assert identify(dng(), ".tif") is Format.TIFF
    assert all(is_photo(f"a.{suffix}") for suffix in ("CR2", "nef", "arw", "RAF", "orf", "rw2"))


def test_developed_where_there_is_no_preview() -> None:
    decoded = read_image(dng(), suffix=".dng")
    assert (decoded.info.width, decoded.info.height) == (WIDTH, HEIGHT)
    assert decoded.info.camera == "Maker Model 1"
    assert decoded.info.captured_at == datetime(2008, 5, 30, 15, 56, 1)
    grey = np.asarray(decoded.image.convert("L")).astype(int)
    assert decoded.image.size == (WIDTH // 2, HEIGHT // 2)
    assert grey[:, :20].mean() > grey[:, -20:].mean() + 50


def test_developed_upright() -> None:
    decoded = read_image(dng(orientation=6), suffix=".dng")
    assert (decoded.info.width, decoded.info.height) == (HEIGHT, WIDTH)
    grey = np.asarray(decoded.image.convert("L")).astype(int)
    assert grey[:20].mean() > grey[-20:].mean() + 50


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_preview_comes_first_and_is_upright(
    scene: Image.Image, encode: Encode, orientation: int
) -> None:
    size = (WIDTH, HEIGHT)
    shown = scene.resize(size if orientation in (1, 3) else size[::-1])
    turns = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}
    turns[8] = Image.Transpose.ROTATE_270
    stored = shown.transpose(turns[orientation]) if orientation in turns else shown
    preview = encode(stored, "JPEG", quality=95)
    decoded = read_image(dng(orientation, preview, size), suffix=".dng", min_size=(32, 32))
    assert decoded.image.size == shown.size == (decoded.info.width, decoded.info.height)
    difference = np.asarray(decoded.image).astype(int) - np.asarray(shown).astype(int)
    assert np.abs(difference).mean() < 6


def test_a_preview_that_is_too_small_is_not_used(scene: Image.Image, encode: Encode) -> None:
    small = scene.resize((24, 16))
    data = dng(1, encode(small, "JPEG"), small.size)
    assert read_image(data, suffix=".dng", min_size=(16, 16)).image.size == (24, 16)
    assert read_image(data, suffix=".dng", min_size=(32, 32)).image.size == (48, 32)


def test_too_many_pixels_are_refused() -> None:
    with pytest.raises(ImageTooLargeError, match="96 x 64"):
        read_image(dng(), suffix=".dng", max_megapixels=0.006)


def test_damaged_raw_is_refused_in_words() -> None:
    with pytest.raises(UnreadableFileError, match="camera RAW"):
        read_image(b"II*\0" + b"\xff" * 500, suffix=".nef")


def test_cut_off_raw() -> None:
    data = dng()
    with pytest.raises(UnreadableFileError, match="camera RAW"):
        read_image(data[:4000], suffix=".dng")
    for end in range(4, len(data), 997):
        with suppress(MediaError):  # and nothing else
            read_image(data[:end], suffix=".dng")
