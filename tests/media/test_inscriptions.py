"""Captions inside a photo, written as the programs write them."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin, TiffImagePlugin

from mmsearch.media.exif import IPTC, USER_COMMENT, XMP, Exif, parse_exif
from mmsearch.media.files import read_bytes
from mmsearch.media.image import read_image
from mmsearch.media.inscriptions import read_captions
from mmsearch.media.iptc import RESOURCE

XMP_PACKET = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
    b' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:description><rdf:Alt>'
    b'<rdf:li xml:lang="x-default">A pier</rdf:li></rdf:Alt></dc:description><dc:subject><rdf:Bag>'
    b"<rdf:li>boat</rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"
)


def photo(form: str = "JPEG", **options: Any) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(target, form, **options)
    return target.getvalue()


def captions(data: bytes, suffix: str = ".jpg") -> tuple[str, ...]:
    return read_image(data, suffix=suffix).captions


def exif(image: dict[int, Any] | None = None, comment: bytes | None = None) -> Image.Exif:
    block = Image.Exif()
    block.update(image or {})
    if comment is not None:
        block.get_ifd(0x8769)[USER_COMMENT] = comment
    return block


def data_set(record: int, number: int, value: bytes) -> bytes:
    return struct.pack(">BBBH", 0x1C, record, number, len(value)) + value


def with_iptc(block: bytes) -> bytes:
    """A JPEG whose APP13 holds Photoshop's resources with IPTC-IIM among them."""
    padded = block + b"\0" * (len(block) % 2)
    resource = b"8BIM" + struct.pack(">HHI", RESOURCE, 0, len(block)) + padded
    content = b"Photoshop 3.0\0" + resource
    jpeg = photo()
    return jpeg[:2] + b"\xff\xed" + struct.pack(">H", len(content) + 2) + content + jpeg[2:]


def test_a_photo_without_captions() -> None:
    assert captions(photo()) == ()


def test_exif() -> None:
    tags = {
        0x010E: "A boat at the pier",
        0x9C9B: "The title".encode("utf-16-le") + b"\0\0",
        0x9C9C: "Ein Kommentar über Köln".encode("utf-16-le"),
        0x9C9E: "boat;pier;海".encode("utf-16-le"),
        0x9C9F: "a  BOAT at the pier".encode("utf-16-le"),
    }
    expected = ("A boat at the pier", "The title", "Ein Kommentar über Köln", "boat, pier, 海")
    assert captions(photo(exif=exif(tags))) == expected
    assert captions(photo("PNG", exif=exif(tags)), ".png") == expected
    assert captions(photo("WEBP", exif=exif(tags)), ".webp") == expected


def test_long_descriptions_are_whole() -> None:
    text = "A very long description. " * 400
    assert captions(photo(exif=exif({0x010E: text}))) == (text.strip(),)


@pytest.mark.parametrize(
    "comment",
    [
        b"ASCII\0\0\0" + "Über Köln".encode(),
        b"ASCII\0\0\0" + "Über Köln".encode("cp1252") + b"\0\0\0",
        b"UNICODE\0" + "Über Köln".encode("utf-16-le"),
        b"UNICODE\0" + "Über Köln".encode("utf-16-be"),
        b"UNICODE\0" + "Über Köln".encode("utf-16"),
        b"\0" * 8 + "Über Köln".encode(),
        "Über Köln".encode(),
    ],
)
def test_character_sets_of_user_comments(comment: bytes) -> None:
    assert captions(photo(exif=exif(comment=comment))) == ("Über Köln",)


def test_japanese_user_comment() -> None:
    comment = b"JIS\0\0\0\0\0" + "赤い船".encode("iso2022_jp")
    assert captions(photo(exif=exif(comment=comment))) == ("赤い船",)


@pytest.mark.parametrize(
    "text",
    [
        "OLYMPUS DIGITAL CAMERA         ",
        "SONY DSC",
        "cmp3.10.3.2Lq3 0x756ffbf7",
        "File source: http://commons.wikimedia.org/wiki/File:X.jpg",
        "https://example.org/photo/1",
        "SANYO DIGITAL CAMERA",
        "<Digimax i50 MP3, Samsung #1 MP3>",
        "DCIM\\100MEDIA\\DJI_0001.JPG",
        "Created with GIMP",
        "CREATOR: gd-jpeg v1.0 (using IJG JPEG v62), quality = 90",
        "binary comment",
        "ASCII",
        "   ",
        "0",
        "a5cb01550dbb9a6bf732f87e413f6e231cc4581e6a5be800fb0871dce0760cd5",
        "DSC_0042.JPG",
        "filter: 0; fileterIntensity: 0.0; filterMask: 0; module: photo;",
        '{"effect": 1}',
        "\x01\x02\x03\x04\x05\x06",
    ],
)
def test_what_devices_and_programs_write_is_no_caption(text: str) -> None:
    assert captions(photo(exif=exif({0x010E: text}))) == ()
    assert captions(photo(comment=text.encode())) == ()


def test_comments_of_jpeg_and_gif() -> None:
    assert captions(photo(comment=b"A boat")) == ("A boat",)
    assert captions(photo("GIF", comment=b"A boat"), ".gif") == ("A boat",)


@pytest.mark.parametrize(
    ("mark", "encoding"), [(b"\x1b%G", "utf-8"), (b"", "cp1252"), (b"", "utf-8")]
)
def test_iptc(mark: bytes, encoding: str) -> None:
    block = data_set(1, 90, mark) + b"".join(
        data_set(2, number, text.encode(encoding))
        for number, text in [
            *((0, "\0\2"), (5, "Title"), (25, "Köln"), (25, "boat"), (101, "Germany")),
            *((105, "A headline"), (120, "Über Köln")),
        ]
    )
    assert captions(with_iptc(block)) == ("Title", "A headline", "Über Köln", "Köln, boat")


@pytest.mark.parametrize("kind", [1, 7])
def test_iptc_in_tiff(kind: int) -> None:
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    directory.tagtype[IPTC] = kind
    directory[IPTC] = data_set(2, 120, b"A boat on the lake")
    assert captions(photo("TIFF", tiffinfo=directory), ".tif") == ("A boat on the lake",)


def test_iptc_that_claims_to_be_integers() -> None:  # as Photoshop stores it
    block = data_set(2, 120, b"A boat on the lake")
    block += b"\0" * (-len(block) % 4)
    entry = struct.pack("<HHII", IPTC, 4, len(block) // 4, 26)
    tiff = b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0) + block
    assert read_captions(parse_exif(tiff), {}) == ("A boat on the lake",)


def test_xmp() -> None:
    expected = ("A pier", "boat")
    assert captions(photo(xmp=XMP_PACKET)) == expected
    assert captions(photo("WEBP", xmp=XMP_PACKET), ".webp") == expected
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    directory[XMP] = XMP_PACKET
    directory.tagtype[XMP] = 1
    assert captions(photo("TIFF", tiffinfo=directory), ".tif") == expected
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP_PACKET.decode())
    assert captions(photo("PNG", pnginfo=info), ".png") == expected


def test_damaged_xmp_is_left_out() -> None:
    assert captions(photo(xmp=XMP_PACKET[:-9], exif=exif({0x010E: "A boat"}))) == ("A boat",)


def test_png_text() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "A boat")
    info.add_text("Comment", "Created with GIMP")
    info.add_text("Description", "On the lake", zip=True)
    info.add_itxt("Comment", "Über Köln")
    info.add_text("Software", "gd")
    assert captions(photo("PNG", pnginfo=info), ".png") == ("A boat", "On the lake", "Über Köln")


def test_equal_texts_count_once_in_any_place() -> None:
    data = photo(xmp=XMP_PACKET, exif=exif({0x010E: "a PIER "}), comment=b"A pier")
    assert captions(data) == ("A pier", "boat")


@given(block=st.binary(max_size=300), order=st.sampled_from([b"II*\0", b"MM\0*"]))
def test_any_metadata_is_captions(block: bytes, order: bytes) -> None:
    extra: dict[Any, object] = {
        "xmp": block,
        "comment": block,
        "Title": block.decode("latin-1"),
        "photoshop": {RESOURCE: b"\x1c\x02\x78" + block},
    }
    made = Exif(dict.fromkeys((0x010E, 0x9C9B, 0x9C9E, IPTC), block), {USER_COMMENT: block})
    for parsed in (made, parse_exif(order + block)):
        for caption in read_captions(parsed, extra):
            assert caption
            assert caption == caption.strip()


def test_real_photos(messy: Path) -> None:
    samples = messy / "exif-samples" / "jpg"
    written = {
        "kodak-dc210.jpg": ("Lovely smoke effect here, of which I'm secretly very proud.",),
        "sanyo-vpcg250.jpg": (),
        "olympus-c960.jpg": (),
    }
    for name, expected in written.items():
        (path,) = samples.rglob(name)
        assert captions(read_bytes(path)) == expected
