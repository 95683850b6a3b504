"""Reads captions and keywords from IPTC-IIM (version 4.2), as Photoshop stores it in photos."""

from __future__ import annotations

from collections.abc import Iterator

from mmsearch.media.descriptions import Description

RESOURCE = 0x0404
"""The number under which Photoshop's image resources hold IPTC-IIM."""

_CHARACTER_SET = (1, 90)
_UTF8 = b"\x1b%G"  # ISO 2022: switch to UTF-8
_TITLE, _KEYWORD, _HEADLINE, _CAPTION = (2, 5), (2, 25), (2, 105), (2, 120)


def parse_iptc(block: bytes) -> Description:
    """Reads title, headline, caption and keywords; what is damaged is left out.

    Args:
        block: data sets one after the other, each with its marker.
    """
    found = Description()
    encoding = "cp1252"
    for kind, value in _data_sets(block):
        if kind == _CHARACTER_SET and value == _UTF8:
            encoding = "utf-8"
        elif kind in (_TITLE, _HEADLINE, _CAPTION):
            found.texts.append(_decoded(value, encoding))
        elif kind == _KEYWORD:
            found.keywords.append(_decoded(value, encoding))
    return found


def _data_sets(block: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Record and number of each data set, and its value."""
    at = 0
    while at + 5 <= len(block) and block[at] == 0x1C:
        record, number = block[at + 1], block[at + 2]
        size = int.from_bytes(block[at + 3 : at + 5], "big")
        at += 5
        if size & 0x8000:  # so long that its length takes more bytes
            digits = size & 0x7FFF
            size = int.from_bytes(block[at : at + digits], "big")
            at += digits
        if at + size > len(block):
            return
        yield (record, number), block[at : at + size]
        at += size


def _decoded(value: bytes, encoding: str) -> str:
    """Text; many programs write UTF-8 without saying so."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode(encoding, "replace")
