"""What a photo tells about itself: capture time, position, camera."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

from mmsearch.items import MediaInfo
from mmsearch.media import exif as tags
from mmsearch.media.exif import Exif, Value

_DATE = re.compile(
    r"\s*([0-9]{4})[:\-/.]([0-9]{1,2})[:\-/.]([0-9]{1,2})"
    r"(?:[T\s]+([0-9]{1,2}):([0-9]{1,2})(?::([0-9]{1,2}))?)?"
)
_XMP_DATES = ("exif:DateTimeOriginal", "photoshop:DateCreated", "xmp:CreateDate")
_XMP_POSITION = re.compile(r"([0-9]{1,3}),([0-9.]{1,20})(?:,([0-9.]{1,20}))?([NSEW])")
_MAX_NAME = 100  # characters of a camera's name


def read_metadata(
    exif: Exif, extra: Mapping[str | tuple[int, int], object], size: tuple[int, int]
) -> MediaInfo:
    """Gathers what a photo tells about itself.

    Each fact is taken from EXIF, else from XMP, else (the time only) from PNG's ``Creation
    Time``. Whatever is malformed counts as absent.

    Args:
        exif: the parsed EXIF block.
        extra: Pillow's ``image.info``: its ``xmp`` and PNG text.
        size: width and height as displayed.
    """
    xmp = _text(extra.get("xmp") or extra.get("XML:com.adobe.xmp"))
    latitude, longitude = _position(exif, xmp)
    return MediaInfo(
        width=size[0],
        height=size[1],
        captured_at=_captured_at(exif, xmp, _text(extra.get("Creation Time"))),
        latitude=latitude,
        longitude=longitude,
        camera=_camera(exif, xmp),
    )


def _captured_at(exif: Exif, xmp: str, png_time: str) -> datetime | None:
    """The best of the times; EXIF's plain ``DateTime`` comes last, for editors change it."""
    written = [
        _text(exif.photo.get(tags.DATE_TIME_ORIGINAL)),
        _text(exif.photo.get(tags.DATE_TIME_DIGITIZED)),
        *(_xmp_value(xmp, name) for name in _XMP_DATES),
    ]
    for text in written:
        if when := parse_date(text):
            return when
    return (
        parse_date(png_time)
        or _parse_mail_date(png_time)
        or parse_date(_text(exif.image.get(tags.DATE_TIME)))
    )


def parse_date(text: str) -> datetime | None:
    """Reads EXIF's ``2008:05:30 15:56:01`` and the variants that cameras and editors write.

    Fractions of a second and a time zone are dropped: the result is the camera's local time.

    Returns:
        A naive time, or None where the text is no possible date.
    """
    if not (match := _DATE.match(text)):
        return None
    try:
        return datetime(*(int(part or 0) for part in match.groups()))  # type: ignore[arg-type]
    except ValueError:
        return None


def _parse_mail_date(text: str) -> datetime | None:
    """Reads RFC 2822 dates, which PNG recommends for ``Creation Time``."""
    try:
        return parsedate_to_datetime(text).replace(tzinfo=None)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _position(exif: Exif, xmp: str) -> tuple[float, float] | tuple[None, None]:
    """Latitude and longitude in degrees, or neither.

    Exactly 0, 0 is what devices write without a fix, and counts as no position.
    """
    latitude = _exif_degrees(exif.gps, tags.GPS_LATITUDE, "NS", 90)
    longitude = _exif_degrees(exif.gps, tags.GPS_LONGITUDE, "EW", 180)
    if latitude is None or longitude is None:
        latitude = _xmp_degrees(_xmp_value(xmp, "exif:GPSLatitude"), "NS", 90)
        longitude = _xmp_degrees(_xmp_value(xmp, "exif:GPSLongitude"), "EW", 180)
    if latitude is None or longitude is None or latitude == longitude == 0:
        return None, None
    return latitude, longitude


def _exif_degrees(gps: Mapping[int, Value], tag: int, refs: str, limit: int) -> float | None:
    parts = gps.get(tag)
    ref = _text(gps.get(tag - 1))[:1].upper()
    if not isinstance(parts, tuple):
        return None
    return _degrees([float(part) for part in parts], ref, refs, limit)


def _xmp_degrees(text: str, refs: str, limit: int) -> float | None:
    """Reads XMP's ``52,30.25N`` and ``52,30,15N``."""
    if not (match := _XMP_POSITION.fullmatch(text.strip())):
        return None
    *parts, ref = match.groups()
    try:
        return _degrees([float(part) for part in parts if part], ref, refs, limit)
    except ValueError:
        return None


def _degrees(parts: list[float], ref: str, refs: str, limit: int) -> float | None:
    """Degrees, minutes and seconds as signed degrees.

    Args:
        parts: degrees, then minutes and seconds where given.
        ref: one letter of ``refs``.
        refs: the letters of the positive and the negative half.
        limit: the largest possible value.
    """
    if not 1 <= len(parts) <= 3 or not ref or ref not in refs:
        return None
    value = sum(part / scale for part, scale in zip(parts, (1, 60, 3600), strict=False))
    if not math.isfinite(value) or not 0 <= value <= limit:
        return None
    return value if ref == refs[0] else -value


def _camera(exif: Exif, xmp: str) -> str | None:
    """Maker and model, the maker only where the model does not name it already."""
    make = _name(exif.image.get(tags.MAKE)) or _name(_xmp_value(xmp, "tiff:Make"))
    model = _name(exif.image.get(tags.MODEL)) or _name(_xmp_value(xmp, "tiff:Model"))
    if model and model.split()[0].casefold() in make.casefold().split():
        return model  # "NIKON CORPORATION" and "NIKON D70"
    return f"{make} {model}".strip() or None


def _name(value: object) -> str:
    """A name without control characters and runs of blanks."""
    text = "".join(c if c.isprintable() else " " for c in _text(value))
    return " ".join(text.split())[:_MAX_NAME].strip()


def _text(value: object) -> str:
    """Text up to its first NUL; anything that is no text is empty."""
    if isinstance(value, str):
        return value.partition("\0")[0]
    if not isinstance(value, bytes):
        return ""
    raw = value.partition(b"\0")[0]
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _xmp_value(xmp: str, name: str) -> str:
    """A simple XMP property, written as an attribute or as an element."""
    at = xmp.find(name)
    if at < 0:
        return ""
    match = re.compile(r"\s*=\s*[\"']([^\"']{1,200})|\s*>([^<]{1,200})").match(xmp, at + len(name))
    return match[1] or match[2] if match else ""
