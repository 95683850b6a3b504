"""A photo's bytes become the picture that a viewer shows, and what it tells about itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops
from PIL.ImageFile import ImageFile

from mmsearch.errors import ImageTooLargeError
from mmsearch.items import MediaInfo
from mmsearch.media.codecs import decode_smaller, identify_or_fail, open_image
from mmsearch.media.damage import codec_errors
from mmsearch.media.exif import BITS_PER_SAMPLE, PHOTOMETRIC, Exif, parse_exif
from mmsearch.media.files import read_bytes
from mmsearch.media.formats import Format
from mmsearch.media.inscriptions import read_captions
from mmsearch.media.metadata import read_metadata
from mmsearch.media.render import to_rgb, turn
from mmsearch.settings import DEFAULT_MAX_MEGAPIXELS

_REDUCIBLE = frozenset(("L", "LA", "RGB", "RGBA", "CMYK"))
_REDUCING_GAP = 2  # averaging whole blocks shows no difference down to twice the wanted size


_WHITE_IS_ZERO = 0  # a value of TIFF's PhotometricInterpretation


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """A photo, decoded.

    Attributes:
        image: mode RGB, upright, as a viewer shows it; possibly smaller than the photo.
        info: what the photo tells about itself; ``width`` and ``height`` are those of the whole
            photo as displayed.
        captions: what people wrote about it inside the file.
    """

    image: Image.Image
    info: MediaInfo
    captions: tuple[str, ...] = ()


def read_image_file(
    path: Path,
    *,
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS,
    min_size: tuple[int, int] | None = None,
) -> DecodedImage:
    """Reads and decodes a photo; see `read_image`.

    Raises:
        MediaError: it cannot be read or decoded.
    """
    return read_image(
        read_bytes(path), suffix=path.suffix, max_megapixels=max_megapixels, min_size=min_size
    )


def read_image(
    data: bytes,
    *,
    suffix: str,
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS,
    min_size: tuple[int, int] | None = None,
) -> DecodedImage:
    """Decodes a photo. Safe to call from several threads.

    The format is told from the content; a PNG that is called ``.jpg`` is a PNG. Of several
    frames or pages the first one is taken. A file that ends early is refused, even though a
    viewer may show its beginning: half a grey photo would be found for the wrong reasons, and
    the failure is tried again when the file is complete.

    Args:
        data: the whole file.
        suffix: of the file's name, with the dot, in any case.
        max_megapixels: a photo with more is refused before its pixels are decoded.
        min_size: width and height in pixels that the result is about to be scaled down to. The
            image may then be decoded at a smaller scale, which is several times faster, but
            each side keeps at least the longer one of these.

    Raises:
        UnsupportedFormatError: the format needs an extra that is not installed.
        UnreadableFileError: the content is damaged, ends early, or is not a photo.
        ImageTooLargeError: it has more than ``max_megapixels``.
    """
    kind = identify_or_fail(data, suffix)
    side = max(min_size) if min_size else None
    with codec_errors(kind, data):
        if kind is Format.RAW:
            return _read_raw(data, max_megapixels, side)
        return _read_with_pillow(data, kind, max_megapixels, side)


def _read_with_pillow(
    data: bytes, kind: Format, max_megapixels: float, side: int | None
) -> DecodedImage:
    image = open_image(data, kind)
    width, height = image.size
    _check_size(width, height, max_megapixels)
    if side and kind is Format.JPEG:
        decode_smaller(image, side)
    image.load()
    # PNG may store EXIF after the pixels, so that metadata is only complete now.
    exif = parse_exif(data if kind is Format.TIFF else image.info.get("exif") or b"")
    orientation = 1 if kind is Format.TIFF else exif.orientation  # Pillow turns TIFF itself
    smaller = _reduce(image, side) if side else image
    picture = turn(to_rgb(smaller, white=_white(image, kind, exif)), orientation)
    if image.mode.startswith("I;16") and exif.image_number(PHOTOMETRIC) == _WHITE_IS_ZERO:
        picture = ImageChops.invert(picture)  # Pillow only does so for 8 bits and less
    if orientation >= 5:
        width, height = height, width
    info = read_metadata(exif, image.info, (width, height))
    return DecodedImage(picture, info, read_captions(exif, image.info))


def _read_raw(data: bytes, max_megapixels: float, side: int | None) -> DecodedImage:
    from mmsearch.media.raw import displayed_size, open_raw, render_raw

    with open_raw(data) as raw:
        size = displayed_size(raw)
        _check_size(*size, max_megapixels)
        picture, preview_exif = render_raw(raw, side)
    own = parse_exif(data)  # most camera RAW files are TIFF structures
    exif = Exif(
        {**preview_exif.image, **own.image},
        own.photo or preview_exif.photo,
        own.gps or preview_exif.gps,
    )
    return DecodedImage(picture, read_metadata(exif, {}, size), read_captions(exif, {}))


def _check_size(width: int, height: int, max_megapixels: float) -> None:
    megapixels = width * height / 1e6
    if megapixels > max_megapixels:
        raise ImageTooLargeError(
            f"it has {width} x {height} pixels ({megapixels:,.1f} megapixels), more than the limit "
            f"of {max_megapixels:g}; raise it with --max-megapixels {int(megapixels) + 1}"
        )


def _reduce(image: ImageFile, side: int) -> Image.Image:
    """Averages whole blocks where the image is far larger than needed, to save later work."""
    factor = min(image.size) // (side * _REDUCING_GAP)
    if factor < 2 or image.mode not in _REDUCIBLE or "transparency" in image.info:
        return image
    reduced = image.reduce(factor)
    reduced.info = image.info
    return reduced


def _white(image: ImageFile, kind: Format, exif: Exif) -> int | None:
    """The value of white in a deep grey image, where the format defines it."""
    if image.mode.startswith("I;16"):
        is_12_bit = kind is Format.TIFF and exif.image_number(BITS_PER_SAMPLE) == 12
        return 4095 if is_12_bit else 65535
    return 65535 if image.mode == "I" and kind in (Format.PNG, Format.PNM) else None
