"""Camera RAW files, through LibRaw (extra ``raw``): the embedded preview first."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from PIL import Image

from mmsearch.media.codecs import decode_smaller, missing_extra
from mmsearch.media.exif import ORIENTATION, Exif, parse_exif
from mmsearch.media.formats import Format
from mmsearch.media.render import to_rgb, turn

if TYPE_CHECKING:
    from rawpy import RawPy

_FULL_PREVIEW = 1024  # pixels of the shorter side from which a preview stands for the photo
_FLIPS = {3: 3, 5: 8, 6: 6}  # LibRaw's flip -> EXIF orientation


def open_raw(data: bytes) -> RawPy:
    """Reads the header of a camera RAW file. Close it after use.

    Call it within :func:`mmsearch.media.damage.codec_errors`.

    Raises:
        UnsupportedFormatError: the extra is not installed.
    """
    try:
        import rawpy
    except ImportError as error:
        raise missing_extra(Format.RAW) from error
    return rawpy.imread(io.BytesIO(data))


def displayed_size(raw: RawPy) -> tuple[int, int]:
    """Width and height of the developed photo, upright."""
    sizes = raw.sizes
    return (sizes.height, sizes.width) if sizes.flip in (5, 6) else (sizes.width, sizes.height)


def render_raw(raw: RawPy, min_side: int | None) -> tuple[Image.Image, Exif]:
    """Renders a camera RAW file.

    The camera's own embedded preview is what viewers show, and takes a hundredth of the time of
    developing the sensor data, which is the fallback (at half the size, with the camera's white
    balance).

    Args:
        raw: an open file.
        min_side: pixels of the shorter side that are enough.

    Returns:
        An RGB image, upright, and the preview's EXIF.
    """
    preview = _preview(raw, min_side)
    if preview is None:
        return _develop(raw), Exif()
    image, exif = preview
    enough = min(min_side or _FULL_PREVIEW, *displayed_size(raw))
    return (image if min(image.size) >= enough else _develop(raw)), exif


def _preview(raw: RawPy, min_side: int | None) -> tuple[Image.Image, Exif] | None:
    """The embedded preview, upright, or None where there is none that can be used."""
    import rawpy
    from PIL.JpegImagePlugin import JpegImageFile

    orientation = _FLIPS.get(raw.sizes.flip, 1)
    try:
        thumb = raw.extract_thumb()
    except rawpy.LibRawError:
        return None
    if thumb.format is rawpy.ThumbFormat.BITMAP:
        return turn(Image.fromarray(thumb.data).convert("RGB"), orientation), Exif()
    if thumb.format is not rawpy.ThumbFormat.JPEG:
        return None
    try:
        image = JpegImageFile(io.BytesIO(thumb.data))
        if image.width * image.height > 2 * raw.sizes.width * raw.sizes.height:
            return None  # no preview, whatever it is
        if min_side:
            decode_smaller(image, min_side)
        image.load()
    except (OSError, SyntaxError, ValueError):
        return None
    exif = parse_exif(image.info.get("exif", b""))
    if ORIENTATION in exif.image:
        orientation = exif.orientation
    elif (image.width >= image.height) != (raw.sizes.width >= raw.sizes.height):
        orientation = 1  # it was stored upright
    return turn(to_rgb(image), orientation), exif


def _develop(raw: RawPy) -> Image.Image:
    pixels: Any = raw.postprocess(half_size=True, use_camera_wb=True, output_bps=8)
    return Image.fromarray(pixels)
