"""Every format and mode is rendered as a viewer shows it."""

from __future__ import annotations

import io
import re
import struct
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from mmsearch.errors import ImageTooLargeError, UnreadableFileError, UnsupportedFormatError
from mmsearch.media.formats import Format, identify, is_photo
from mmsearch.media.image import read_image

Encode = Callable[..., bytes]
WHITE = (255, 255, 255)


def rendered(data: bytes, suffix: str = ".jpg", **options: Any) -> NDArray[np.int16]:
    """Pixels as signed integers, so that differences are right."""
    image = read_image(data, suffix=suffix, **options).image
    assert image.mode == "RGB"
    return np.asarray(image).astype(np.int16)


def assert_like(actual: NDArray[np.int16], expected: Image.Image, tolerance: float) -> None:
    """Compares by the mean difference, for lossy codecs."""
    wanted = np.asarray(expected.convert("RGB")).astype(np.int16)
    assert actual.shape == wanted.shape
    assert np.abs(actual - wanted).mean() <= tolerance


@pytest.mark.parametrize(
    ("form", "suffix", "kind", "tolerance", "options"),
    [
        ("JPEG", ".jpg", Format.JPEG, 3, {"quality": 95}),
        ("JPEG", ".JFIF", Format.JPEG, 3, {"quality": 95, "progressive": True}),
        ("PNG", ".png", Format.PNG, 0, {}),
        ("WEBP", ".webp", Format.WEBP, 4, {"quality": 95}),
        ("WEBP", ".webp", Format.WEBP, 0, {"lossless": True}),
        ("AVIF", ".avif", Format.AVIF, 4, {"quality": 95}),
        ("GIF", ".gif", Format.GIF, 12, {}),
        ("TIFF", ".tif", Format.TIFF, 0, {}),
        ("TIFF", ".tiff", Format.TIFF, 0, {"compression": "tiff_lzw"}),
        ("TIFF", ".tiff", Format.TIFF, 0, {"compression": "tiff_deflate", "big_tiff": True}),
        ("BMP", ".bmp", Format.BMP, 0, {}),
        ("JPEG2000", ".jp2", Format.JPEG_2000, 0, {}),
        ("JPEG2000", ".j2k", Format.JPEG_2000, 0, {"no_jp2": True}),
        ("PPM", ".ppm", Format.PNM, 0, {}),
    ],
)
def test_formats(
    scene: Image.Image,
    encode: Encode,
    form: str,
    suffix: str,
    kind: Format,
    tolerance: float,
    options: dict[str, Any],
) -> None:
    data = encode(scene, form, **options)
    assert identify(data, suffix) is kind
    assert is_photo(f"IMG_1{suffix}")
    decoded = read_image(data, suffix=suffix)
    assert (decoded.info.width, decoded.info.height) == scene.size
    assert_like(rendered(data, suffix), scene, tolerance)
    # What the name says about the content does not matter.
    assert_like(rendered(data, ".nef" if kind is not Format.TIFF else ".jpg"), scene, tolerance)


def test_heif(scene: Image.Image) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    target = io.BytesIO()
    pillow_heif.from_pillow(scene).save(target, quality=95)
    assert identify(target.getvalue(), ".heic") is Format.HEIF
    assert_like(rendered(target.getvalue(), ".heic"), scene, 4)
    assert "HEIF" not in Image.OPEN, "no plugin is registered for the whole process"


@pytest.mark.parametrize(
    ("module", "suffix", "data"),
    [
        ("pillow_heif", ".heic", b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"),
        ("pillow_heif", ".jpg", b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1heic"),
        ("rawpy", ".nef", b"II*\x00\x08\x00\x00\x00"),
        ("rawpy", ".cr3", b"\x00\x00\x00\x18ftypcrx \x00\x00\x00\x01crx isom"),
    ],
)
def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, module: str, suffix: str, data: bytes
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    extra = {"pillow_heif": "heif", "rawpy": "raw"}[module]
    with pytest.raises(UnsupportedFormatError, match=rf'pip install "mmsearch\[{extra}\]"'):
        read_image(data, suffix=suffix)


def test_animations_and_pages_show_the_first(scene: Image.Image, encode: Encode) -> None:
    other = Image.new("RGB", scene.size, "lime")
    for form, suffix in [("GIF", ".gif"), ("WEBP", ".webp"), ("PNG", ".png"), ("TIFF", ".tif")]:
        data = encode(scene, form, save_all=True, append_images=[other])
        assert_like(rendered(data, suffix), scene, 12)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_show_the_same(
    scene: Image.Image, encode: Encode, orientation: int, form: str
) -> None:
    # The turn that a viewer undoes.
    inverse = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = scene.transpose(inverse[orientation]) if orientation > 1 else scene
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = read_image(encode(stored, form, exif=exif), suffix=".jpg")
    assert (decoded.info.width, decoded.info.height) == scene.size
    assert_like(np.asarray(decoded.image).astype(np.int16), scene, 6)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_png_modes(scene: Image.Image, encode: Encode, mode: str) -> None:
    image = scene.convert(mode)
    assert_like(rendered(encode(image, "PNG"), ".png"), image, 0)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_tiff_modes(scene: Image.Image, encode: Encode, mode: str) -> None:
    image = scene.convert(mode)
    assert_like(rendered(encode(image, "TIFF"), ".tif"), image, 1)


def test_cmyk_jpeg_is_not_a_negative(scene: Image.Image, encode: Encode) -> None:
    image = scene.convert("CMYK")  # Pillow writes it inverted, as Adobe does
    assert_like(rendered(encode(image, "JPEG", quality=95)), scene, 5)


def test_grey_jpeg(scene: Image.Image, encode: Encode) -> None:
    grey = scene.convert("L")
    assert_like(rendered(encode(grey, "JPEG", quality=95)), grey, 2)


def test_lab_tiff(encode: Encode) -> None:
    lab = ImageCms.createProfile("LAB")
    srgb = ImageCms.createProfile("sRGB")
    red = Image.new("RGB", (8, 8), (200, 30, 40))
    image = ImageCms.profileToProfile(red, srgb, lab, outputMode="LAB")
    assert image is not None
    assert_like(rendered(encode(image, "TIFF"), ".tif"), red, 3)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_is_scaled(encode: Encode, form: str) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(2, axis=0)
    pixels = rendered(encode(Image.fromarray(ramp), form), ".x")
    assert np.abs(pixels[0, :, 0] - np.arange(256)).max() <= 1


def test_float_tiff_from_0_to_1_is_brightness(encode: Encode) -> None:
    values = np.array([[0.0, 0.25, 0.5]], dtype=np.float32)
    pixels = rendered(encode(Image.fromarray(values), "TIFF"), ".tif")
    assert pixels[0, :, 0].tolist() == [0, 64, 128]


def test_measured_values_are_stretched(encode: Encode) -> None:
    values = np.array([[-10.0, np.nan, np.inf, 90.0]], dtype=np.float32)
    pixels = rendered(encode(Image.fromarray(values), "TIFF"), ".tif")
    assert pixels[0, :, 0].tolist() == [0, 0, 255, 255]
    counts = np.array([[1000, 1500, 2000]], dtype=np.int32)
    pixels = rendered(encode(Image.fromarray(counts), "TIFF"), ".tif")
    assert pixels[0, :, 0].tolist() == [0, 128, 255]


def patched(tiff: bytes, tag: int, *values: int) -> bytes:
    """Changes a number in a little-endian TIFF, to one or two short values."""
    found = re.search(re.escape(struct.pack("<H", tag)) + rb"[\x03\x04]\x00", tiff)
    assert found
    entry = struct.pack("<HHI2H", tag, 3, len(values), *(*values, 0)[:2])
    return tiff[: found.start()] + entry + tiff[found.start() + 12 :]


def test_tiff_whose_zero_is_white(encode: Encode) -> None:
    deep = Image.fromarray(np.array([[0, 65535]], dtype=np.uint16))
    for image in (deep, deep.point(lambda v: v / 257).convert("L")):
        data = patched(encode(image, "TIFF"), 262, 0)
        assert rendered(data, ".tif")[0, :, 0].tolist() == [255, 0]


def test_12_bit_tiff(encode: Encode) -> None:
    data = encode(Image.frombytes("L", (3, 1), b"\xff\xf8\x00"), "TIFF")
    data = patched(patched(data, 258, 12), 256, 2)
    assert rendered(data, ".tif")[0, :, 0].tolist() == [255, 128]


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_constant_float_tiff(encode: Encode, value: float) -> None:
    image = Image.fromarray(np.full((2, 2), value, dtype=np.float32))
    assert rendered(encode(image, "TIFF"), ".tif").shape == (2, 2, 3)


def test_transparency_lies_over_white(encode: Encode) -> None:
    image = Image.new("RGBA", (3, 1), (200, 0, 0, 255))
    image.putpixel((1, 0), (200, 0, 0, 0))
    image.putpixel((2, 0), (200, 0, 0, 128))
    for form in ("PNG", "TIFF"):
        pixels = rendered(encode(image, form), ".png")
        assert pixels[0, 0].tolist() == [200, 0, 0]
        assert pixels[0, 1].tolist() == [255, 255, 255]
        assert np.abs(pixels[0, 2] - [227, 127, 127]).max() <= 1


def test_transparent_palettes_and_keys(encode: Encode) -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 200, 0, 0])
    palette.putpixel((1, 0), 1)
    for form, options in [
        ("PNG", {"transparency": 0}),
        ("PNG", {"transparency": bytes([0, 255])}),
        ("GIF", {"transparency": 0}),
    ]:
        pixels = rendered(encode(palette, form, **options), ".png")
        assert pixels[0].tolist() == [[255, 255, 255], [200, 0, 0]]
    keyed = Image.new("RGB", (2, 1), (1, 2, 3))
    keyed.putpixel((1, 0), (9, 9, 9))
    pixels = rendered(encode(keyed, "PNG", transparency=(1, 2, 3)), ".png")
    assert pixels[0].tolist() == [[255, 255, 255], [9, 9, 9]]


def test_grey_with_alpha(encode: Encode) -> None:
    image = Image.new("LA", (2, 1), (50, 0))
    image.putpixel((1, 0), (50, 255))
    assert rendered(encode(image, "PNG"), ".png")[0].tolist() == [[255] * 3, [50] * 3]


def swapped_profile() -> bytes:
    """An ICC profile whose red and blue colorants are exchanged, so that its effect is seen."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.find(b"rXYZ"), profile.find(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    name = "sRGB built-in".encode("utf-16-be")
    return bytes(profile).replace(name, "swapped table".encode("utf-16-be"))


@pytest.mark.parametrize(("form", "suffix"), [("PNG", ".png"), ("TIFF", ".tif")])
def test_embedded_profiles_are_converted(encode: Encode, form: str, suffix: str) -> None:
    red = Image.new("RGB", (4, 4), (250, 10, 10))
    plain = encode(red, form)
    swapped = encode(red, form, icc_profile=swapped_profile())
    assert rendered(plain, suffix)[0, 0].tolist() == [250, 10, 10]
    r, _, b = rendered(swapped, suffix)[0, 0]
    assert b > 200 > 60 > r


def test_a_profile_that_is_broken_or_of_another_kind_is_ignored(encode: Encode) -> None:
    red = Image.new("RGB", (4, 4), (250, 10, 10))
    for profile in (b"nonsense", b"\0" * 200, swapped_profile()[:150]):
        assert rendered(encode(red, "PNG", icc_profile=profile))[0, 0].tolist() == [250, 10, 10]
    grey = Image.new("L", (4, 4), 90)
    assert rendered(encode(grey, "PNG", icc_profile=swapped_profile()))[0, 0].tolist() == [90] * 3


def test_min_size_keeps_enough_pixels_and_the_look(encode: Encode) -> None:
    x, y = np.meshgrid(np.arange(1200), np.arange(800))
    pixels = np.stack([x / 5, y / 4, (x + y) / 9], axis=-1).astype(np.uint8)
    photo = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    for form in ("JPEG", "PNG"):
        data = encode(photo, form, exif=exif)
        full = read_image(data, suffix=".jpg")
        small = read_image(data, suffix=".jpg", min_size=(100, 60))
        assert small.info == full.info
        assert (small.info.width, small.info.height) == (800, 1200)
        assert 100 <= min(small.image.size) < 400
        want = full.image.resize((80, 120), Image.Resampling.BICUBIC)
        have = small.image.resize((80, 120), Image.Resampling.BICUBIC)
        assert_like(np.asarray(have).astype(np.int16), want, 2)


def test_min_size_never_makes_a_photo_smaller_than_it_is(encode: Encode) -> None:
    data = encode(Image.new("RGB", (90, 40)), "JPEG")
    assert read_image(data, suffix=".jpg", min_size=(256, 256)).image.size == (90, 40)


@pytest.mark.parametrize(("form", "suffix"), [("PNG", ".png"), ("GIF", ".gif"), ("JPEG", ".jpg")])
def test_too_many_pixels_are_refused(encode: Encode, form: str, suffix: str) -> None:
    data = encode(Image.new("L", (2000, 1500)), form)
    with pytest.raises(ImageTooLargeError) as caught:
        read_image(data, suffix=suffix, max_megapixels=2.5)
    message = "it has 2000 x 1500 pixels (3.0 megapixels), more than the limit of 2.5; raise it "
    assert str(caught.value) == message + "with --max-megapixels 4"
    assert read_image(data, suffix=suffix, max_megapixels=3).info.width == 2000


def test_pillows_own_limit_neither_binds_nor_changes(
    monkeypatch: pytest.MonkeyPatch, encode: Encode
) -> None:
    data = encode(Image.new("L", (100, 100)), "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(data, suffix=".png").image.size == (100, 100)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_a_bomb_is_refused_by_its_header(encode: Encode) -> None:
    data = bytearray(encode(Image.new("1", (8, 8)), "BMP"))
    data[18:26] = (60_000).to_bytes(4, "little") * 2
    with pytest.raises(ImageTooLargeError, match=r"3,600\.0 megapixels"):
        read_image(bytes(data), suffix=".bmp")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"\0" * 5000, "it holds zeros where a photo should be"),
        (b"\n<!DOCTYPE HTML><title>404", "it is a web page, not a photo"),
        (b"hello", "its content is not that of a known photo format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "its content is not that of a known photo format"),
    ],
)
def test_what_is_no_photo(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableFileError) as caught:
        read_image(data, suffix=".jpg")
    assert str(caught.value) == reason


def test_odd_files_cause_no_warnings_and_leave_the_filters_alone(encode: Encode) -> None:
    # PlanarConfiguration with two values instead of one.
    odd = patched(encode(Image.new("RGB", (9, 9)), "TIFF"), 284, 1, 1)
    with pytest.warns(UserWarning, match="too many entries"):
        Image.open(io.BytesIO(odd))
    before = list(warnings.filters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: read_image(odd, suffix=".tif"), range(80)))
    assert caught == []
    assert warnings.filters == before


def test_threads_do_not_disturb_each_other(scene: Image.Image, encode: Encode) -> None:
    files = [
        encode(scene, "JPEG"),
        encode(scene, "PNG", icc_profile=swapped_profile()),
        encode(scene.convert("CMYK"), "TIFF"),
    ] * 20
    alone = [rendered(data) for data in files]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(rendered, files))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))
