"""Companions: files that speak of a photo, recording or video beside them."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from mmsearch.media.formats import MediaKind, suffix_of

COMPANION_SUFFIXES = frozenset((".txt", ".json", ".xmp", ".srt", ".vtt"))
"""Suffixes of files that may speak of another one; lower case, with the dot."""

# What is read first comes first: for timed media the formats that carry times.
_UNTIMED = (".txt", ".json", ".xmp")
_TIMED = (".srt", ".vtt", ".json", ".txt", ".xmp")
_PRECEDENCE = {
    MediaKind.PHOTO: {suffix: rank for rank, suffix in enumerate(_UNTIMED)},
    MediaKind.RECORDING: {suffix: rank for rank, suffix in enumerate(_TIMED)},
    MediaKind.VIDEO: {suffix: rank for rank, suffix in enumerate(_TIMED)},
    MediaKind.TEXT: {},
}

# How closely the names agree; the closer companion comes first.
_WHOLE_NAME, _TAKEOUT, _STEM, _TAGGED = range(4)

_LANGUAGE_TAG = re.compile(r"\.[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,2}$")  # RFC 5646, nearly
_TAKEOUT_MARK = ".supplemental-metadata"
_TAKEOUT_TAIL = re.compile(r"\.(s[a-z-]*)$")
_TAKEOUT_NUMBER = re.compile(r"\(\d{1,5}\)$")
_TAKEOUT_LONGEST = 46  # characters before ".json"; what is longer is cut


@dataclass(frozen=True, slots=True)
class Companion:
    """A file that speaks of an asset in the same folder, and is no asset of its own.

    Attributes:
        path: relative to the source, as in :class:`~mmsearch.media.discover.FoundFile`; where the
            source is a single file, the companion's name in the folder of that file.
        size: bytes.
        mtime_ns: time of the last change, nanoseconds since 1970.
    """

    path: str
    size: int
    mtime_ns: int


def match_companions(
    media: Iterable[tuple[str, MediaKind]], candidates: Iterable[str]
) -> dict[str, list[str]]:
    """Finds which files of a folder speak of which others.

    A companion of ``beach.jpg`` is called ``beach.jpg.txt`` or ``beach.txt``, or the same with
    ``.json`` or ``.xmp``; those of recordings and videos may also end in ``.srt`` or ``.vtt``, with
    a language before it (``talk.en.srt``). Google Takeout's names are known too:
    ``beach.jpg.supplemental-metadata.json`` (cut where it would be too long), and
    ``beach.jpg(1).json`` for ``beach(1).jpg``. Suffixes compare without case, all else exactly
    but for the way in which accents are encoded.

    Args:
        media: names of photos, recordings and videos in one folder, with their kinds.
        candidates: names of files beside them that may be companions.

    Returns:
        Names of companions by name of the medium, those that take precedence first: plain text,
        JSON, XMP for photos; SubRip, WebVTT, JSON, plain text, XMP for the others. One file may be
        the companion of several.
    """
    names = _Names(media)
    ranked: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for candidate in candidates:
        suffix = suffix_of(candidate)
        for closeness, (name, kind) in names.meant_by(candidate, suffix):
            if (rank := _PRECEDENCE[kind].get(suffix)) is not None:
                ranked[name].append((rank, closeness, candidate))
    return {
        name: list(dict.fromkeys(candidate for _, _, candidate in sorted(found)))
        for name, found in ranked.items()
    }


class _Names:
    """The media of one folder, by whole name and by stem."""

    def __init__(self, media: Iterable[tuple[str, MediaKind]]) -> None:
        self._by_name: dict[str, list[tuple[str, MediaKind]]] = defaultdict(list)
        self._by_stem: dict[str, list[tuple[str, MediaKind]]] = defaultdict(list)
        for medium in media:
            name = medium[0]
            self._by_name[_key(name)].append(medium)
            self._by_stem[_normal(name[: len(name) - len(suffix_of(name))])].append(medium)

    def meant_by(self, candidate: str, suffix: str) -> Iterator[tuple[int, tuple[str, MediaKind]]]:
        """The media that a file speaks of, each with how closely the names agree."""
        base = candidate[: len(candidate) - len(suffix)]
        for medium in self._by_name.get(_key(base), ()):
            yield _WHOLE_NAME, medium
        for medium in self._by_stem.get(_normal(base), ()):
            yield _STEM, medium
        if suffix in (".srt", ".vtt") and (tag := _LANGUAGE_TAG.search(base)):
            untagged = base[: tag.start()]
            for medium in (
                *self._by_name.get(_key(untagged), ()),
                *self._by_stem.get(_normal(untagged), ()),
            ):
                yield _TAGGED, medium
        if suffix == ".json":
            for medium in self._meant_by_takeout(base):
                yield _TAKEOUT, medium

    def _meant_by_takeout(self, base: str) -> Iterator[tuple[str, MediaKind]]:
        number = _TAKEOUT_NUMBER.search(base)
        plain = base[: number.start()] if number else base
        tail = _TAKEOUT_TAIL.search(plain)
        if tail and _TAKEOUT_MARK.startswith(tail[0]):
            plain = plain[: tail.start()]
        elif not number and len(base) < _TAKEOUT_LONGEST:
            return
        if number:  # beach.jpg(1).json speaks of beach(1).jpg
            suffix = suffix_of(plain)
            plain = plain[: len(plain) - len(suffix)] + number[0] + suffix
        if found := self._by_name.get(_key(plain)):
            yield from found
        elif len(base) >= _TAKEOUT_LONGEST:
            yield from self._beginning_with(_normal(plain))

    def _beginning_with(self, start: str) -> Iterator[tuple[str, MediaKind]]:
        at = bisect_left(self._sorted, start)
        while at < len(self._sorted) and self._sorted[at].startswith(start):
            yield from self._by_name[self._sorted[at]]
            at += 1

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(self._by_name)


def _key(name: str) -> str:
    """A name whose suffix is in lower case, so that suffixes compare without case."""
    suffix = suffix_of(name)
    return _normal(name[: len(name) - len(suffix)] + suffix)


def _normal(name: str) -> str:
    return name if name.isascii() else unicodedata.normalize("NFC", name)
