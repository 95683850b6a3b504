"""Names that indexes are served under, for their paths."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def served_names(paths: Iterable[Path]) -> dict[str, Path]:
    """Names for indexes at some paths: those of their folders, numbered where two are the same."""
    named: dict[str, Path] = {}
    for path in paths:
        bare = _name_of(path)
        name, number = bare, 2
        while name in named:
            name, number = f"{bare}-{number}", number + 1
        named[name] = path
    return named


def _name_of(path: Path) -> str:
    """A folder's name without its suffix, as it goes into a URL."""
    stem = Path(os.path.abspath(path)).stem  # noqa: PTH100 - "..", but no links, is resolved
    return stem.encode("utf-8", "replace").decode() or "index"  # "" is that of the root
