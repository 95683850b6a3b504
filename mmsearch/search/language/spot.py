"""Points at the spot of a query that cannot be understood."""

from __future__ import annotations

import unicodedata

from mmsearch.errors import QuerySyntaxError
from mmsearch.search.language.tree import Span

_AROUND = 40  # characters shown before and after the spot


def syntax_error(text: str, span: Span, problem: str) -> QuerySyntaxError:
    """An error that shows where it is.

    Args:
        text: the query.
        span: what is wrong in it.
        problem: what is wrong and what to write instead, in one or two sentences.
    """
    first, last = max(0, span.start - _AROUND), min(len(text), span.end + _AROUND)
    before = ("…" if first else "") + _line(text[first : span.start])
    there = _line(text[span.start : span.end])
    after = _line(text[span.end : last]) + ("…" if last < len(text) else "")
    return QuerySyntaxError(
        f"{problem} (character {span.start + 1} of the query)\n"
        f"  {before}{there}{after}\n"
        f"  {' ' * _columns(before)}{'^' * max(1, _columns(there))}",
        position=span.start,
        length=span.end - span.start,
    )


def _line(text: str) -> str:
    """Without line breaks and other characters that would not stay where they are."""
    return "".join(c if c.isprintable() else " " for c in text)


def _columns(text: str) -> int:
    """How wide a terminal shows a text."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
