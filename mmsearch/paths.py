"""Paths as people write them, made into paths to work with.

What `pathlib` offers does more than is meant: ``expanduser`` fails on a file that is called
``~draft.jpg`` where no user is called ``draft``, and ``resolve`` follows links, while a link that
somebody names is their name for the place.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

StrPath: TypeAlias = str | os.PathLike[str]


def in_home(path: StrPath) -> Path:
    """A path in which ``~`` and ``~user`` in front stand for a home, where there is such a user."""
    return Path(os.path.expanduser(path))  # noqa: PTH111


def absolute(path: StrPath) -> Path:
    """The absolute path, without ``..``; neither links nor the disk are asked."""
    return Path(os.path.abspath(path))  # noqa: PTH100
