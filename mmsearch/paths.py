"""Paths as people write them, made into paths to work with.

What `pathlib` offers does more than is meant: ``expanduser`` fails on a file that is called
``~draft.jpg`` where no user is called ``draft``, and ``resolve`` follows links, while a link that
somebody names is their name for the place.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

from mmsearch.errors import SourceNotFoundError

StrPath: TypeAlias = str | os.PathLike[str]

_One = TypeVar("_One", bound=str | os.PathLike[str] | int)


def in_home(path: StrPath) -> Path:
    """A path in which ``~`` and ``~user`` in front stand for a home, where there is such a user."""
    return Path(os.path.expanduser(path))  # noqa: PTH111


def on_disk(path: StrPath) -> Path:
    """The absolute path of what somebody names to be read, indexed or removed.

    Raises:
        SourceNotFoundError: it is an empty text, which `pathlib` would take for where we are.
    """
    if path == "":
        raise SourceNotFoundError("An empty text is no path; write '.' for the working directory.")
    return absolute(in_home(path))


def each(given: _One | Sequence[_One]) -> Sequence[_One]:
    """What was given, also where it is one alone: a text must not be taken for its letters."""
    return [given] if isinstance(given, str | os.PathLike | int) else given


def absolute(path: StrPath) -> Path:
    """The absolute path, without ``..``; neither links nor the disk are asked."""
    return Path(os.path.abspath(path))  # noqa: PTH100
