"""Where an index keeps its catalog, and which one is there; imports next to nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

CATALOG_NAME = "catalog.sqlite"

Identity: TypeAlias = tuple[int, int]
"""A file's device and its number on it, which tell it from another that is put in its place."""


def identity_of(directory: Path) -> Identity | None:
    """Which catalog is in an index directory; None where there is none, or that cannot be told."""
    try:
        found = (directory / CATALOG_NAME).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
