"""Renders a decoded image of any mode as the RGB picture that a viewer shows."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from PIL.ImageCms import ImageCmsTransform

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def turn(image: Image.Image, orientation: int) -> Image.Image:
    """Applies an EXIF orientation, 1 to 8."""
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def to_rgb(image: Image.Image, *, white: int | None = None) -> Image.Image:
    """Renders an image as a viewer shows it.

    Transparent pixels lie over white, deep greys are scaled to 8 bits, and colours with an
    embedded profile are converted to sRGB.

    Args:
        image: loaded, in any mode of Pillow.
        white: the value of white in deep grey images of integers; None where the file does not
            say, and the range of the values is stretched.

    Returns:
        An image of the same size in mode RGB; the same object where nothing had to be done.
    """
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I") or image.mode == "F":
        image = _deep_grey(image, white)
    if image.has_transparency_data:
        if image.mode in ("La", "RGBa"):  # colours are multiplied by alpha
            image = image.convert(image.mode.upper())
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
        picture = Image.new("RGB", image.size, "white")
        picture.paste(_opaque_rgb(image.convert("RGB"), profile), mask=alpha)
        return picture
    if image.mode == "P":
        image = image.convert("RGB")
    return _opaque_rgb(image, profile)


def _opaque_rgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Converts colours to sRGB, by the embedded profile where it is there and works."""
    if image.mode == "LAB":
        profile = profile or b""
    elif not profile or image.mode not in ("L", "RGB", "CMYK"):
        return image if image.mode == "RGB" else image.convert("RGB")
    if transform := _to_srgb(profile, image.mode):
        return transform.apply(image)
    return image if image.mode == "RGB" else image.convert("RGB")


@lru_cache(maxsize=16)
def _to_srgb(profile: bytes, mode: str) -> ImageCmsTransform | None:
    """The conversion from a profile to sRGB; None where it is sRGB already or cannot be used.

    Args:
        profile: ICC profile; empty stands for CIE L*a*b* itself.
        mode: Pillow's mode of the image to convert.
    """
    from PIL import ImageCms

    try:
        if mode == "LAB":
            source = ImageCms.createProfile("LAB")
            return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), "LAB", "RGB")
        embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        name = ImageCms.getProfileDescription(embedded).strip()
        if mode == "RGB" and name.startswith(("sRGB", "IEC 61966-2", "IEC61966-2")):
            return None
        return ImageCms.buildTransform(embedded, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None  # viewers ignore a bad profile too


def _deep_grey(image: Image.Image, white: int | None) -> Image.Image:
    """Scales greys of 12, 16 or 32 bits or of floating point to 8 bits.

    Floating point from 0 to 1 is brightness. Other ranges without a known white, as measuring
    instruments write them, are stretched from the lowest to the highest value.
    """
    values: NDArray[Any] = np.asarray(image)
    if white is not None:
        to_8_bits = (np.arange(white + 1, dtype=np.uint32) * 255 + white // 2) // white
        return Image.fromarray(to_8_bits.astype(np.uint8)[values.clip(0, white)])
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    span = high - low or 1.0
    bright = np.nan_to_num((values.astype(np.float64) - low) / span, nan=0.0)
    return Image.fromarray((bright.clip(0, 1) * 255).round().astype(np.uint8))
