from __future__ import annotations

import math
import struct
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import IFDRational

from mmsearch.items import MediaInfo
from mmsearch.media.exif import Exif, parse_exif
from mmsearch.media.image import read_image
from mmsearch.media.metadata import parse_date, read_metadata

Encode = Callable[..., bytes]

TAKEN = datetime(2008, 5, 30, 15, 56, 1)
BERLIN = {
    1: "N",
    2: (IFDRational(52), IFDRational(30), IFDRational(1575, 100)),
    3: "E",
    4: (IFDRational(13), IFDRational(24), IFDRational(0)),
}


def exif_block(
    image: dict[int, Any] | None = None,
    photo: dict[int, Any] | None = None,
    gps: dict[int, Any] | None = None,
) -> Image.Exif:
    exif = Image.Exif()
    exif.update(image or {})
    exif.get_ifd(0x8769).update(photo or {})
    exif.get_ifd(0x8825).update(gps or {})
    return exif


def info_of(exif: Image.Exif) -> MediaInfo:
    return read_metadata(parse_exif(exif.tobytes()), {}, (4, 3))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_every_format_tells(encode: Encode, form: str) -> None:
    exif = exif_block(
        {0x010F: "Canon", 0x0110: "Canon EOS 40D", 0x0132: "2020:01:01 00:00:00"},
        {0x9003: "2008:05:30 15:56:01"},
        BERLIN,
    )
    data = encode(Image.new("RGB", (16, 8)), form, exif=exif.tobytes())
    info = read_image(data, suffix=".jpg").info
    assert (info.width, info.height) == (16, 8)
    assert info.captured_at == TAKEN
    assert info.camera == "Canon EOS 40D"
    assert info.latitude == pytest.approx(52.504375)
    assert info.longitude == pytest.approx(13.4)


def test_big_endian_and_bigtiff(encode: Encode) -> None:
    image = Image.new("RGB", (16, 8))
    for options in ({"big_tiff": True}, {"endian": ">"}):
        data = encode(image, "TIFF", tiffinfo={271: "Maker", 306: "2008:05:30 15:56:01"}, **options)
        info = read_image(data, suffix=".tif").info
        assert (info.camera, info.captured_at) == ("Maker", TAKEN)
    entry = struct.pack(">HHI4s", 0x0112, 3, 1, b"\0\x06\0\0")
    block = b"MM\0*\0\0\0\x08" + b"\0\x01" + entry + b"\0\0\0\0"
    assert parse_exif(block).orientation == 6


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2008:05:30 15:56:01", TAKEN),
        ("2008-05-30T15:56:01.123+02:00", TAKEN),
        ("2008/05/30 15:56:01", TAKEN),
        ("  2008:05:30 15:56:01\0", TAKEN),
        ("2008:05:30 15:56", datetime(2008, 5, 30, 15, 56)),
        ("2008:05:30", datetime(2008, 5, 30)),
        ("0000:00:00 00:00:00", None),
        ("    :  :     :  :  ", None),
        ("2008:13:30 15:56:01", None),
        ("2008:02:30 15:56:01", None),
        ("2008:05:30 24:00:00", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_dates(text: str, expected: datetime | None) -> None:
    assert parse_date(text) == expected


@given(st.text(max_size=30))
def test_any_text_as_a_date(text: str) -> None:
    result = parse_date(text)
    assert result is None or result.tzinfo is None


def test_the_time_of_capture_comes_first() -> None:
    bad, good = "0000:00:00 00:00:00", "2008:05:30 15:56:01"
    other = "2011:11:11 11:11:11"
    assert info_of(exif_block({0x0132: other}, {0x9003: good})).captured_at == TAKEN
    assert info_of(exif_block({0x0132: other}, {0x9003: bad, 0x9004: good})).captured_at == TAKEN
    assert info_of(exif_block({0x0132: good}, {0x9003: bad})).captured_at == TAKEN
    assert info_of(exif_block()).captured_at is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, (52.504375, 13.4)),
        ({1: "S", 3: "W"}, (-52.504375, -13.4)),
        ({1: "n", 3: "e"}, (52.504375, 13.4)),
        ({1: "X"}, None),
        ({3: ""}, None),
        ({2: (IFDRational(91), IFDRational(0), IFDRational(0))}, None),
        ({4: (IFDRational(180), IFDRational(1), IFDRational(0))}, None),
        ({2: (IFDRational(52), IFDRational(0, 0), IFDRational(0))}, None),
        ({2: (IFDRational(1, 0), IFDRational(1), IFDRational(0))}, None),
        ({2: (IFDRational(5250437, 100000),)}, (52.50437, 13.4)),
        ({2: (IFDRational(0, 1),) * 3, 4: (IFDRational(0, 1),) * 3}, None),
    ],
)
def test_positions(change: dict[int, Any], expected: tuple[float, float] | None) -> None:
    info = info_of(exif_block(gps=BERLIN | change))
    if expected is None:
        assert (info.latitude, info.longitude) == (None, None)
    else:
        assert (info.latitude, info.longitude) == pytest.approx(expected)


@pytest.mark.parametrize("missing", [1, 2, 3, 4])
def test_half_a_position_is_none(missing: int) -> None:
    info = info_of(exif_block(gps={tag: v for tag, v in BERLIN.items() if tag != missing}))
    assert (info.latitude, info.longitude) == (None, None)


@pytest.mark.parametrize(
    ("make", "model", "expected"),
    [
        ("Canon", "Canon EOS 40D", "Canon EOS 40D"),
        ("NIKON CORPORATION", "NIKON D70", "NIKON D70"),
        ("EASTMAN KODAK COMPANY", "KODAK CX7530", "KODAK CX7530"),
        ("Apple", "iPhone 13 Pro", "Apple iPhone 13 Pro"),
        ("  SONY \0\0junk", "DSC-D700\n\0", "SONY DSC-D700"),
        ("", "Jolla", "Jolla"),
        ("Leica", "", "Leica"),
        (" ", "\0", None),
    ],
)
def test_camera(make: str, model: str, expected: str | None) -> None:
    assert info_of(exif_block({0x010F: make, 0x0110: model})).camera == expected


def test_xmp_fills_in() -> None:
    xmp = b"""<x:xmpmeta><rdf:Description exif:DateTimeOriginal="2008-05-30T15:56:01+02:00"
        tiff:Make='Canon'><tiff:Model>EOS 40D</tiff:Model>
        <exif:GPSLatitude>52,30.2625N</exif:GPSLatitude>
        <exif:GPSLongitude>13,24,0W</exif:GPSLongitude></rdf:Description></x:xmpmeta>"""
    info = read_metadata(Exif(), {"xmp": xmp}, (4, 3))
    assert info.captured_at == TAKEN
    assert info.camera == "Canon EOS 40D"
    assert (info.latitude, info.longitude) == pytest.approx((52.504375, -13.4))


def test_png_text_behind_the_pixels(encode: Encode) -> None:
    for text in ("2008:05:30 15:56:01", "Fri, 30 May 2008 15:56:01 +0200"):
        chunks = PngInfo()
        chunks.add(b"tEXt", b"Creation Time\0" + text.encode(), after_idat=True)
        data = encode(Image.new("L", (4, 4)), "PNG", pnginfo=chunks)
        assert read_image(data, suffix=".png").info.captured_at == TAKEN


@given(st.binary(max_size=200))
def test_any_block_is_read_without_error(block: bytes) -> None:
    for start in (b"", b"II*\0\x08\0\0\0\x02\0", b"MM\0*\0\0\0\x08\0\x03", b"Exif\0\0II+\0"):
        info = read_metadata(
            parse_exif(start + block), {"xmp": block, "Creation Time": "x"}, (1, 1)
        )
        assert info.latitude is None or abs(info.latitude) <= 90


@given(st.data())
def test_a_damaged_block_keeps_to_the_ranges(data: st.DataObject) -> None:
    block = bytearray(
        exif_block({0x010F: "Canon", 0x0112: 6}, {0x9003: "2008:05:30 15:56:01"}, BERLIN).tobytes()
    )
    for _ in range(data.draw(st.integers(1, 6))):
        block[data.draw(st.integers(0, len(block) - 1))] = data.draw(st.integers(0, 255))
    exif = parse_exif(bytes(block[: data.draw(st.integers(0, len(block)))]))
    info = read_metadata(exif, {}, (1, 1))
    assert 1 <= exif.orientation <= 8
    for value, limit in ((info.latitude, 90), (info.longitude, 180)):
        assert value is None or (math.isfinite(value) and abs(value) <= limit)


def test_corrupt_exif_never_fails_the_photo(encode: Encode) -> None:
    for exif in (b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*" + b"\xff" * 500):
        data = encode(Image.new("RGB", (8, 8)), "JPEG", exif=exif)
        assert read_image(data, suffix=".jpg").info == MediaInfo(width=8, height=8)
