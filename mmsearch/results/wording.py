"""How figures of a hit are put for people, the same everywhere."""

from __future__ import annotations


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
