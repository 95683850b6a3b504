"""Finds the captions that stand inside a photo: in EXIF, IPTC, XMP and PNG text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mmsearch.errors import UnreadableFileError
from mmsearch.media import exif as tags
from mmsearch.media import iptc
from mmsearch.media.descriptions import Description
from mmsearch.media.exif import Exif, Value
from mmsearch.media.text import decode_text
from mmsearch.media.xmp import may_describe, parse_xmp

_PNG_TEXTS = ("Title", "Description", "Comment", "comment", "Caption")
_XP_TEXTS = (tags.XP_TITLE, tags.XP_SUBJECT, tags.XP_COMMENT)
_CHARACTER_SET_BYTES = 8  # the character set of EXIF's UserComment stands before it


def read_captions(exif: Exif, extra: Mapping[str | tuple[int, int], object]) -> tuple[str, ...]:
    """Gathers what people wrote about a photo in the file itself.

    EXIF's ImageDescription and UserComment, Windows' title, subject, comment and tags, IPTC's
    title, headline, caption and keywords, XMP as :func:`~mmsearch.media.xmp.parse_xmp` reads it,
    PNG text, and comments of JPEG and GIF. Whatever is malformed counts as absent.

    Args:
        exif: the parsed EXIF block.
        extra: Pillow's ``image.info``.

    Returns:
        Captions as :meth:`~mmsearch.media.descriptions.Description.captions` makes them.
    """
    found = Description()
    for block in _xmp_packets(exif, extra):
        try:
            found.extend(parse_xmp(block))
        except UnreadableFileError:
            continue
    for block in _iptc_blocks(exif, extra):
        found.extend(iptc.parse_iptc(block))
    found.extend(_in_exif(exif))
    found.texts += [_text(extra[key]) for key in _PNG_TEXTS if key in extra]
    found.keywords += _text(extra.get("Keywords")).split(",")
    return found.captions()


def _in_exif(exif: Exif) -> Description:
    found = Description()
    found.texts += [
        _text(exif.image.get(tags.IMAGE_DESCRIPTION)),
        _user_comment(exif.photo.get(tags.USER_COMMENT)),
        *(_utf16(exif.image.get(tag)) for tag in _XP_TEXTS),
    ]
    found.keywords += _utf16(exif.image.get(tags.XP_KEYWORDS)).split(";")
    return found


def _user_comment(value: Value | None) -> str:
    """A text after eight bytes that name its character set (EXIF 2.3, 4.6.5)."""
    if not isinstance(value, bytes):
        return ""
    name, text = value[:_CHARACTER_SET_BYTES], value[_CHARACTER_SET_BYTES:]
    if name == b"UNICODE\0":
        return _utf16(text)
    if name == b"JIS\0\0\0\0\0":
        return text.decode("iso2022_jp", "replace").strip("\0")
    return _text(text if name in (b"ASCII\0\0\0", b"\0" * 8) else value)


def _utf16(value: object) -> str:
    """UTF-16 in either byte order, which writers take from anywhere."""
    if not isinstance(value, bytes):
        return ""
    if value.startswith((b"\xff\xfe", b"\xfe\xff")):
        return value.decode("utf-16", "replace").strip("\0")
    # Of the two bytes of most characters the upper one is zero, or at least always the same.
    is_big = len(set(value[0::2])) < len(set(value[1::2]))
    return value.decode("utf-16-be" if is_big else "utf-16-le", "replace").strip("\0")


def _text(value: object) -> str:
    """Text in UTF-8 or Windows-1252 up to its trailing NULs; "" for all else."""
    if isinstance(value, str):
        return value
    if not isinstance(value, bytes):
        return ""
    try:
        return decode_text(value.strip(b"\0 "))
    except UnreadableFileError:
        return ""


def _xmp_packets(exif: Exif, extra: Mapping[str | tuple[int, int], object]) -> Iterator[bytes]:
    for packet in (
        extra.get("xmp") or extra.get("XML:com.adobe.xmp"),
        exif.image.get(tags.XMP),
    ):
        if isinstance(packet, str):
            packet = packet.encode("utf-8", "replace")
        if isinstance(packet, bytes) and may_describe(packet):
            yield packet
            return


def _iptc_blocks(exif: Exif, extra: Mapping[str | tuple[int, int], object]) -> Iterator[bytes]:
    """IPTC-IIM from Photoshop's resources in a JPEG, and from a TIFF's own tag."""
    resources = extra.get("photoshop")
    blocks = (
        resources.get(iptc.RESOURCE) if isinstance(resources, Mapping) else None,
        exif.image.get(tags.IPTC),
    )
    return (block for block in blocks if isinstance(block, bytes))
