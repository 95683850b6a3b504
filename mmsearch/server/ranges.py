"""Parts of a file and conditions on it, as RFC 9110 defines them: one range, no lists of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

_RANGE = re.compile(r"\s*bytes\s*=\s*(\d{0,19})\s*-\s*(\d{0,19})\s*", re.ASCII | re.IGNORECASE)
_TAG = re.compile(r'(W/)?("[^"]*")')


@dataclass(frozen=True, slots=True)
class Version:
    """Tells one state of a file from another.

    Attributes:
        tag: the entity tag, with its quotation marks; strong.
        modified: time of the last change, in whole seconds, UTC.
    """

    tag: str
    modified: datetime

    @classmethod
    def of(cls, size: int, modified_ns: int) -> Version:
        """Of a file of this size, changed at this time in nanoseconds since 1970."""
        seconds = min(max(modified_ns // 1_000_000_000, 0), 253402300799)  # the end of 9999
        return cls(f'"{size:x}-{modified_ns:x}"', datetime.fromtimestamp(seconds, UTC))

    @property
    def headers(self) -> dict[str, str]:
        """What callers keep, to ask with later."""
        return {"ETag": self.tag, "Last-Modified": format_datetime(self.modified, usegmt=True)}

    def is_known(self, headers: Mapping[str, str]) -> bool:
        """Whether the caller has this state already, so that the answer is 304 (section 13.1)."""
        known = headers.get("if-none-match")
        if known is not None:
            return matches_tag(known, self.tag)
        since = _date(headers.get("if-modified-since"))
        return since is not None and self.modified <= since

    def allows_range(self, headers: Mapping[str, str]) -> bool:
        """Whether a range is of this state, as far as ``If-Range`` says (section 13.1.5)."""
        condition = headers.get("if-range")
        if condition is None:
            return True
        if '"' in condition:
            return condition.strip() == self.tag
        return _date(condition) == self.modified


@dataclass(frozen=True, slots=True)
class Part:
    """Some bytes of a file; ``length`` is at least 1, and they lie within it."""

    start: int
    length: int


class UnsatisfiableRangeError(ValueError):
    """The range lies outside of the file: status 416."""


def part_of(header: str | None, size: int) -> Part | None:
    """The part that a ``Range`` header asks for (section 14.2).

    Args:
        header: for instance ``bytes=0-499``, ``bytes=500-`` or ``bytes=-500``.
        size: of the file.

    Returns:
        None where all of the file is to be sent: for no range, several of them, or anything that
        is none, which a server may ignore.

    Raises:
        UnsatisfiableRangeError: no byte of the file lies in it.
    """
    found = _RANGE.fullmatch(header) if header is not None else None
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        length = min(int(found[2]), size)
        if length == 0:
            raise UnsatisfiableRangeError
        return Part(size - length, length)
    first = int(found[1])
    last = min(int(found[2]), size - 1) if found[2] else size - 1
    if found[2] and int(found[2]) < first:
        return None
    if first >= size:
        raise UnsatisfiableRangeError
    return Part(first, last - first + 1)


def matches_tag(header: str, tag: str) -> bool:
    """Whether an ``If-None-Match`` header names a tag, weakly (section 8.8.3.2)."""
    return header.strip() == "*" or any(found[1] == tag for found in _TAG.findall(header))


def _date(text: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(text) if text else None
    except (ValueError, TypeError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found
