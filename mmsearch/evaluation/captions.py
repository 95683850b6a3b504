"""Captions to measure with: nothing may be missing, or figures would not mean what they say."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mmsearch.errors import DatasetError
from mmsearch.media.caption_files import CaptionRow, iter_caption_rows


def read_complete_rows(path: Path) -> list[CaptionRow]:
    """Reads a caption file in any format of :mod:`mmsearch.media.caption_files`.

    Args:
        path: the caption file.

    Returns:
        The captions in the order of the file; never empty, each with an image and a text.

    Raises:
        DatasetError: the file cannot be read, does not follow its format, holds no caption, or has
            a row without an image or a text.
    """
    rows: list[CaptionRow] = []
    for row in iter_caption_rows(path):
        where = f"{path}, line {row.line}" if row.line else str(path)
        if not row.image:
            raise DatasetError(f"{where}: the image's name is empty.")
        if not row.caption:
            raise DatasetError(f"{where}: the caption of {row.image} is empty.")
        rows.append(row)
    if not rows:
        raise DatasetError(f"{path} holds no caption.")
    return rows


def first_duplicate(names: Iterable[str]) -> str | None:
    """The first name that has occurred before, if any."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
