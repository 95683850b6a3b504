"""How figures of a hit are put for people, the same everywhere."""

from __future__ import annotations

import re

_LEAST_WORD = 3  # letters; shorter ones (a, of, 的) are nearly everywhere


def clock(seconds: float) -> str:
    """A moment in timed media as players show it, for instance ``12:04`` or ``1:02:03``."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def moment(start: float | None, end: float | None) -> str | None:
    """When in timed media, for instance ``1:04-1:10``; None for what has no time.

    Args:
        start: seconds.
        end: seconds; None where it is not known.
    """
    if start is None:
        return None
    return clock(start) + ("" if end is None else f"-{clock(end)}")


def percent(relevance: float | None) -> str:
    """A relevance, for instance ``97%``; a dash where there is none."""
    if relevance is None:
        return "-"
    return "<1%" if relevance < 0.01 else f"{relevance:.0%}"


def shortened(text: str, length: int) -> str:
    """The beginning of a text, on one line.

    Args:
        text: with white space of any kind.
        length: characters at most, the ellipsis included.
    """
    line = " ".join(text.split())
    return f"{line[: length - 1]}…" if len(line) > length else line


def excerpt(text: str, length: int, query: str) -> str:
    """The part of a text that has most words of a query, on one line; else its beginning.

    Args:
        text: with white space of any kind.
        length: characters at most, ellipses included.
        query: as it was typed.
    """
    line = " ".join(text.split())
    wanted = {word for word in _words(query) if len(word) >= _LEAST_WORD}
    if len(line) <= length or not wanted:
        return shortened(line, length)
    found = [(m.start(), m.end(), m[0].casefold()) for m in re.finditer(r"\w+", line)]
    hits = [one for one in found if one[2] in wanted]

    def words_from(start: int) -> int:
        return len({word for at, end, word in hits if at >= start and end < start + length - 1})

    # A part begins some words before the first that is wanted; the first of equals counts.
    lead = length // 4
    starts = [next(at for at, end, _ in found if at >= hit - lead) for hit, _, _ in hits]
    start = max([0, *starts], key=words_from, default=0)
    part = shortened(line[start:], length - 1)
    return f"…{part}" if start else shortened(line, length)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
