"""How paths are written into the catalog.

SQLite's text is UTF-8, file names on POSIX are bytes. A name that is valid UTF-8 is stored as
text; any other as a blob of its bytes, so that nothing is lost and most rows stay readable.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any


def encode_path(path: str) -> str | bytes:
    """What SQLite stores for a path."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


def decode_path(stored: str | bytes) -> str:
    """The path that `encode_path` was given."""
    return stored if isinstance(stored, str) else os.fsdecode(stored)


def as_text(name: str) -> str:
    """A file name as text that SQLite takes: bytes that are not UTF-8 become question marks."""
    return name.encode("utf-8", "replace").decode("utf-8")


def relative_to_index(source: Path, index: Path) -> str:
    """How a source's path is stored: relative where index and source can move together.

    That is where the source lies in the folder that holds the index, or in the index itself.

    Args:
        source: absolute path of the source.
        index: absolute path of the index directory.
    """
    if source.is_relative_to(index):
        return source.relative_to(index).as_posix()
    if source.is_relative_to(index.parent) and index.parent != Path(index.anchor):
        return "../" + source.relative_to(index.parent).as_posix()
    return str(source)


@lru_cache(maxsize=256)
def resolve_source(stored: str, index: Path) -> Path:
    """The absolute path that `relative_to_index` was given."""
    return Path(os.path.normpath(index / stored))


def under(source: int, path: str) -> tuple[str, tuple[Any, ...]]:
    """SQL for "the asset is at or below this path of this source", with its values.

    The empty path is the whole source.
    """
    if not path:
        return "asset.source_id = ?", (source,)
    exact = encode_path(path)
    # Ranges, which an index serves; "0" comes after "/". Text and blobs are ranges of their own,
    # for in a folder of any name there may be files whose names are not UTF-8.
    raw = exact if isinstance(exact, bytes) else exact.encode()
    ranges: list[str | bytes] = [raw + b"/", raw + b"0"]
    if isinstance(exact, str):
        ranges += [exact + "/", exact + "0"]
    inside = " OR ".join(["(asset.path >= ? AND asset.path < ?)"] * (len(ranges) // 2))
    return f"(asset.source_id = ? AND (asset.path = ? OR {inside}))", (source, exact, *ranges)
