"""What people write of a photo, told from what devices and programs write in the same places."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from mmsearch.media.formats import kind_of

_WRITTEN_BY_DEVICES = frozenset(
    (
        "sony dsc", "dcim", "hp photosmart", "samsung", "maginon", "exif_jpeg_picture", "exif jpeg",
        "jpeg", "ascii", "unicode", "jis", "binary comment", "user comments", "applemark",
        "image description", "description", "no description", "comment", "caption", "default",
        "untitled", "none", "null", "undefined",
    )
)  # fmt: skip
_CAMERA = re.compile(r"(?:\w+ ){0,3}digital(?: still)? camera|<[^<>]*>", re.IGNORECASE)
_NUMBER = re.compile(
    r"[0-9a-f-]{16,}|[!-~]*\d{4}[!-~]*\d[!-~]*", re.IGNORECASE
)  # hashes, ids, times
_WRITTEN_BY_PROGRAMS = re.compile(
    r"(created (with|by) (the )?gimp|creator: gd-jpeg|lead technologies|file written by adobe|"
    r"processed by ebay|optimized by jpeg|compressed by jpeg|intel\(r\) jpeg library|lavc\d|"
    r"handmade software|dcim[\\/]|charset=|xmp\.|resized with|edited with|software:|file source:|"
    r"https?://\S+$|cmp\d[\w. ]*0x[0-9a-f]+)",
    re.IGNORECASE,
)
_SETTINGS = re.compile(r"(?:[\w ./-]{1,40}[:=][^;:=]{0,40};\s*){2,}")  # filter: 0; touch: (-1, -1);
_LONGEST_MARK = 100  # characters of what devices write
_MIN_READABLE = 0.7  # share of letters, digits, blanks and common marks; binary data has less
_MOST = 1000  # captions, and keywords; what has more is data
_JOINERS = "\u200c\u200d"  # which Persian and emoji need
_MARKS = frozenset(" .,;:!?'\"()[]/&-%#@+*_|~<>=\n")


@dataclass(slots=True)
class Description:
    """Texts and keywords as they were found, in one place of a file or in several.

    Attributes:
        texts: sentences and titles.
        keywords: single words and short terms.
    """

    texts: list[str] = field(default_factory=list)
    keywords: list[str] = field(default_factory=list)

    def extend(self, other: Description) -> None:
        """Adds what was found elsewhere."""
        self.texts += other.texts
        self.keywords += other.keywords

    def captions(self) -> tuple[str, ...]:
        """The captions that people wrote.

        Returns:
            Each text once (case and white space do not count) without surrounding white space,
            then one caption that lists the keywords; no more than a thousand captions and
            keywords. Marks of devices and programs, names of files, and binary data are none.
        """
        texts = _unique(text for text in map(_cleaned, self.texts) if is_written_by_people(text))
        keywords = _unique(
            word
            for word in map(_cleaned, self.keywords)
            if word and is_readable(word) and not _is_default(word)
        )
        if keywords:
            texts = _unique([*texts, ", ".join(keywords)])
        return tuple(texts)


def is_written_by_people(text: str) -> bool:
    """Whether a cleaned text is a caption, and no mark of a device or program."""
    return (
        sum(char.isalpha() for char in text[:100]) >= 2
        and is_readable(text)
        and not _is_default(text)
        and not _WRITTEN_BY_PROGRAMS.match(text)
        and not _SETTINGS.match(text)
        and not text.startswith(("{", "<?xml", "<x:xmpmeta"))
        and not _is_file_name(text)
    )


def is_readable(text: str) -> bool:
    """Whether a cleaned text is no binary data that somebody took for text."""
    readable = sum(char.isalnum() or char in _MARKS or char > "\x7f" for char in text)
    return "\ufffd" not in text and readable >= _MIN_READABLE * len(text)


def _is_default(text: str) -> bool:
    return len(text) <= _LONGEST_MARK and (
        text.casefold().rstrip(" .") in _WRITTEN_BY_DEVICES
        or _CAMERA.fullmatch(text) is not None
        or _NUMBER.fullmatch(text) is not None
    )


def _is_file_name(text: str) -> bool:
    return " " not in text and kind_of(text) is not None


def _cleaned(text: str) -> str:
    """Lines without runs of blanks; characters that show nothing become blanks."""
    lines = text.replace("\0", "\n").splitlines()
    shown = ("".join(c if c.isprintable() or c in _JOINERS else " " for c in s) for s in lines)
    return "\n".join(" ".join(line.split()) for line in shown).strip()


def _unique(texts: Iterable[str]) -> list[str]:
    found: dict[str, str] = {}
    for text in texts:
        found.setdefault(" ".join(text.casefold().split()), text)
    return list(islice(found.values(), _MOST))
