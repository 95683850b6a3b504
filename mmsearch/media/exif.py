"""Reads the few EXIF tags that mmsearch uses, and never fails on a damaged block.

EXIF (CIPA DC-008) is a TIFF structure: a header, then directories of 12-byte entries that hold a
value or point to one. Pillow's reader decodes every tag, warns about odd ones and takes longer
than decoding a small photo; this one looks at a dozen tags and follows three pointers.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Value: TypeAlias = bytes | tuple[int, ...] | tuple[float, ...]
"""Text and unknown bytes as bytes, integers as int, rationals as float (NaN where undefined)."""

BITS_PER_SAMPLE = 0x0102
PHOTOMETRIC = 0x0106
IMAGE_DESCRIPTION = 0x010E
MAKE = 0x010F
MODEL = 0x0110
ORIENTATION = 0x0112
DATE_TIME = 0x0132
XMP = 0x02BC
IPTC = 0x83BB
_EXIF_POINTER = 0x8769
_GPS_POINTER = 0x8825
DATE_TIME_ORIGINAL = 0x9003
DATE_TIME_DIGITIZED = 0x9004
USER_COMMENT = 0x9286
XP_TITLE, XP_COMMENT, XP_KEYWORDS, XP_SUBJECT = 0x9C9B, 0x9C9C, 0x9C9E, 0x9C9F  # of Windows
GPS_LATITUDE_REF, GPS_LATITUDE, GPS_LONGITUDE_REF, GPS_LONGITUDE = 1, 2, 3, 4

_BLOCKS = frozenset(
    (
        IMAGE_DESCRIPTION, XMP, IPTC, USER_COMMENT, XP_TITLE, XP_COMMENT, XP_KEYWORDS,
        XP_SUBJECT,
    )
)  # fmt: skip
"""Tags that hold text or further metadata: always bytes, whatever type they claim to have."""

_IMAGE_TAGS = _BLOCKS - {USER_COMMENT} | {
    *(BITS_PER_SAMPLE, PHOTOMETRIC, MAKE, MODEL, ORIENTATION, DATE_TIME),
    *(_EXIF_POINTER, _GPS_POINTER),
}
_PHOTO_TAGS = frozenset((DATE_TIME_ORIGINAL, DATE_TIME_DIGITIZED, USER_COMMENT))
_GPS_TAGS = frozenset((GPS_LATITUDE_REF, GPS_LATITUDE, GPS_LONGITUDE_REF, GPS_LONGITUDE))

# TIFF types: bytes of one value, and its struct letter (two of them for a rational).
_TYPES: dict[int, tuple[int, str]] = {
    1: (1, "B"), 2: (1, "s"), 3: (2, "H"), 4: (4, "I"), 5: (8, "II"), 6: (1, "b"), 7: (1, "s"),
    8: (2, "h"), 9: (4, "i"), 10: (8, "ii"), 13: (4, "I"), 16: (8, "Q"), 17: (8, "q"), 18: (8, "Q"),
}  # fmt: skip
_MAX_VALUE_BYTES = 1024  # nothing of interest is longer
_MAX_BLOCK_BYTES = 1_000_000  # but for these


@dataclass(frozen=True, slots=True)
class Exif:
    """The tags that could be read, by directory; what is damaged is left out."""

    image: Mapping[int, Value] = field(default_factory=dict)
    photo: Mapping[int, Value] = field(default_factory=dict)
    gps: Mapping[int, Value] = field(default_factory=dict)

    @property
    def orientation(self) -> int:
        """How to turn the pixels, 1 to 8; 1 where it is not said or makes no sense."""
        number = self.image_number(ORIENTATION)
        return number if number is not None and 1 <= number <= 8 else 1

    def image_number(self, tag: int) -> int | None:
        """The first integer of a tag of the image directory."""
        value = self.image.get(tag, ())
        return (
            value[0] if isinstance(value, tuple) and value and isinstance(value[0], int) else None
        )


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a TIFF structure is stored: byte order, and 32-bit or 64-bit (BigTIFF) offsets."""

    order: str
    is_big: bool

    def unpack(self, letters: str, data: bytes, offset: int = 0) -> tuple[int, ...]:
        return struct.unpack_from(self.order + letters, data, offset)


def parse_exif(block: bytes) -> Exif:
    """Reads an EXIF block or a whole TIFF file.

    Args:
        block: a TIFF structure, with or without the ``Exif`` marker of a JPEG before it.

    Returns:
        What could be read; empty for a damaged block.
    """
    if block.startswith(b"Exif\x00\x00"):
        block = block[6:]
    if block[:2] not in (b"II", b"MM"):
        return Exif()
    order = "<" if block[:2] == b"II" else ">"
    try:
        layout = _Layout(order, is_big=struct.unpack_from(order + "H", block, 2)[0] == 43)
        start = layout.unpack("Q" if layout.is_big else "I", block, 8 if layout.is_big else 4)[0]
    except struct.error:
        return Exif()
    image = _read_directory(block, layout, start, _IMAGE_TAGS)
    photo = _follow(block, layout, image.pop(_EXIF_POINTER, ()), _PHOTO_TAGS)
    gps = _follow(block, layout, image.pop(_GPS_POINTER, ()), _GPS_TAGS)
    return Exif(image, photo, gps)


def _follow(
    block: bytes, layout: _Layout, pointer: Value, tags: frozenset[int]
) -> dict[int, Value]:
    if not pointer or not isinstance(pointer[0], int):
        return {}
    return _read_directory(block, layout, pointer[0], tags)


def _read_directory(
    block: bytes, layout: _Layout, start: int, tags: frozenset[int]
) -> dict[int, Value]:
    """Reads the wanted tags of one directory; the first of equal tags counts."""
    count_letters, entry_letters = ("Q", "HHQ8s") if layout.is_big else ("H", "HHI4s")
    found: dict[int, Value] = {}
    if start >= len(block):
        return found
    try:
        count = layout.unpack(count_letters, block, start)[0]
    except struct.error:
        return found
    entry = struct.Struct(layout.order + entry_letters)
    first = start + struct.calcsize(layout.order + count_letters)
    whole = min(count, max(0, (len(block) - first) // entry.size))
    for tag, kind, number, raw in entry.iter_unpack(block[first : first + whole * entry.size]):
        if tag in tags and tag not in found:
            if tag in _BLOCKS:
                value: Value | None = _read_bytes(block, layout, kind, number, raw)
            else:
                value = _read_value(block, layout, kind, number, raw)
            if value is not None:
                found[tag] = value
    return found


def _read_value(block: bytes, layout: _Layout, kind: int, number: int, raw: bytes) -> Value | None:
    """The value of one entry, or None where the entry is damaged.

    Args:
        block: the whole structure.
        layout: how it is stored.
        kind: TIFF type.
        number: how many values there are.
        raw: the entry's last field: the value itself where it fits, else its offset.
    """
    if kind not in _TYPES:
        return None
    size, letters = _TYPES[kind]
    length = size * number
    if length > len(raw):
        if letters != "s" and length > _MAX_VALUE_BYTES:
            return None
        offset = layout.unpack("Q" if layout.is_big else "I", raw)[0]
        raw = block[offset : offset + min(length, _MAX_VALUE_BYTES)]
    raw = raw[:length]
    if letters == "s":
        return raw
    if len(raw) < length:
        return None
    numbers = layout.unpack(letters * number, raw)
    if len(letters) == 1:
        return numbers
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return tuple(top / bottom if bottom else float("nan") for top, bottom in pairs)


def _read_bytes(block: bytes, layout: _Layout, kind: int, number: int, raw: bytes) -> bytes | None:
    """The bytes of one entry as they are stored; see `_read_value`."""
    if kind not in _TYPES:
        return None
    length = _TYPES[kind][0] * number
    if length > len(raw):
        offset = layout.unpack("Q" if layout.is_big else "I", raw)[0]
        raw = block[offset : offset + min(length, _MAX_BLOCK_BYTES)]
    return raw[:length]
