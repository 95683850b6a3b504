"""Patterns of files and folders that the user does not want indexed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from mmsearch.errors import SettingsError


class Excluder:
    """Tells whether a file or folder is excluded, in the spirit of ``.gitignore``.

    - A pattern without a slash matches the name of a file or folder at any depth: ``*.gif``.
    - A pattern with a slash at its start or in its middle matches the path relative to the
      source: ``2019/drafts``, ``/scans``, ``trips/*/raw``.
    - A slash at the end matches folders only: ``private/``.
    - ``*`` and ``?`` match within one name, ``[abc]``, ``[a-z]`` and ``[!abc]`` one character of a
      set, and ``**`` as a whole part of a path any number of folders.
    - Case is ignored on every platform (``*.gif`` means ``A.GIF`` too), so that an index gives the
      same answers wherever it is moved; so is the way in which accents are encoded.

    An excluded folder is excluded with all that it holds. There is no negation.

    Args:
        patterns: as the user wrote them; blank ones are ignored.
        within: the part of the source that the paths asked for are relative to; "" for all of it.

    Raises:
        SettingsError: a pattern holds only slashes.
    """

    def __init__(self, patterns: Sequence[str], *, within: str = "") -> None:
        for_any = [p for p in patterns if p.strip() and not p.endswith("/")]
        for_folders = [p for p in patterns if p.strip()]
        self._files = _compile(for_any)
        self._folders = _compile(for_folders)
        self._prefix = f"{within}/" if within else ""

    def excludes(self, path: str, *, is_folder: bool) -> bool:
        """Whether this very path is matched; what lies in an excluded folder is not asked for.

        Args:
            path: relative to the source, or to the part of it given as ``within``, with ``/``.
            is_folder: whether it is a folder.
        """
        regex = self._folders if is_folder else self._files
        return regex is not None and regex.fullmatch(_normal(self._prefix + path)) is not None


def _normal(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _compile(patterns: Sequence[str]) -> re.Pattern[str] | None:
    if not patterns:
        return None
    return re.compile("|".join(map(_translate, patterns)), re.IGNORECASE | re.DOTALL)


def _translate(pattern: str) -> str:
    """A pattern as a regular expression for the whole relative path."""
    body = pattern.rstrip("/")
    if not body:
        raise SettingsError(f"the exclude pattern {pattern!r} names nothing; leave it out")
    if "/" not in body:
        return "(?:.*/)?" + _translate_name(body)
    regex = ""
    parts = [part for part in body.split("/") if part]
    for position, part in enumerate(parts):
        is_last = position == len(parts) - 1
        if part != "**":
            regex += _translate_name(part) + ("" if is_last else "/")
        else:
            regex += ".+" if is_last else "(?:.*/)?"
    return regex


def _translate_name(part: str) -> str:
    """One part of a pattern, between slashes, as a regular expression."""
    part = _normal(part)
    regex, at = "", 0
    while at < len(part):
        char = part[at]
        at += 1
        if char == "*":
            regex += "[^/]*"
        elif char == "?":
            regex += "[^/]"
        elif char == "[" and (end := _end_of_set(part, at)) > 0:
            regex += _translate_set(part[at:end])
            at = end + 1
        else:
            regex += re.escape(char)
    return regex


def _end_of_set(part: str, start: int) -> int:
    """Where the bracket closes, or -1; one right after the opening bracket is a member."""
    return part.find("]", start + (2 if part.startswith("!", start) else 1))


def _translate_set(inside: str) -> str:
    """What stands between brackets; a range that runs backwards holds nothing."""
    negated = inside.startswith("!")
    chars = inside[1:] if negated else inside
    members, at = "", 0
    while at < len(chars):
        if chars[at + 1 : at + 2] == "-" and at + 2 < len(chars):
            low, high = chars[at], chars[at + 2]
            members += f"{re.escape(low)}-{re.escape(high)}" if low <= high else ""
            at += 3
        else:
            members += re.escape(chars[at])
            at += 1
    if negated:
        return f"[^/{members}]"
    return f"[{members}]" if members else "(?!)"
