"""Names of image files in a query."""

from __future__ import annotations

import re
from pathlib import Path

from mmsearch.media.formats import MediaKind, kind_of
from mmsearch.paths import absolute, in_home


def picture_at(name: str) -> Path | None:
    """The image file that a text is the path of, absolute; None where it is none.

    A file without the suffix of an image is meant only where it is clearly a path.
    """
    if not name or name.isspace():
        return None
    try:
        path = in_home(name)
        if not path.is_file():
            return None
    except (OSError, ValueError):  # too long, or a NUL in it
        return None
    kind = kind_of(path.name)
    if kind is MediaKind.PHOTO or (kind is None and Path(name).name != name):
        return absolute(path)
    return None


def names_picture(name: str) -> bool:
    """Whether a word looks like the name of an image file, there or not."""
    return not re.search(r"\s", name) and kind_of(Path(name).name) is MediaKind.PHOTO
