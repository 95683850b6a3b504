"""Cleans texts as open_clip does before it tokenizes them, without importing open_clip."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def repaired(text: str) -> str:
    """A text without mojibake, control characters and HTML's entities, stripped."""
    if is_plain(text):
        return text.strip()
    import html

    import ftfy  # of open_clip's dependencies; most queries do without it

    return html.unescape(html.unescape(ftfy.fix_text(text))).strip()


def is_plain(text: str) -> bool:
    """Whether a text is of printable ASCII alone, in which there is nothing to repair."""
    return text.isascii() and text.isprintable() and "&" not in text


def whitespace(text: str) -> str:
    """Repaired, with one space for all white space."""
    return " ".join(repaired(text).split())


def lower(text: str) -> str:
    """Repaired, with one space for all white space, in small letters."""
    return whitespace(text).lower()


def canonical(text: str) -> str:
    """Repaired, without punctuation, in small letters, with one space for all white space."""
    bare = repaired(text).replace("_", " ").translate(_NO_PUNCTUATION)
    return " ".join(bare.lower().split())


WAYS: Mapping[str, Callable[[str], str]] = {
    "whitespace": whitespace,
    "lower": lower,
    "canonicalize": canonical,
}
"""By open_clip's names for them."""
