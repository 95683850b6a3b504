"""Finds the photos that the rows of a file of captions speak of."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable

from mmsearch.media.caption_files.record import CaptionRow


def match_captions(
    rows: Iterable[CaptionRow], paths: Collection[str]
) -> tuple[dict[str, list[str]], int]:
    """Finds the photos by their names.

    A name is a photo's path where the two are the same. Else it is the only photo in any folder
    whose path ends in that name, or (for the folders may be others than those of the file of
    captions) the only one of that file name. Case counts; the encoding of accents does not.

    Args:
        rows: names and captions.
        paths: photos, relative to their source, with ``/``.

    Returns:
        Captions by path in the order of the rows, and how many rows speak of no photo.
    """
    exact = {_normal(path): path for path in paths}
    by_name: dict[str, list[str]] = defaultdict(list)
    for key in exact:
        by_name[key.rpartition("/")[2]].append(key)

    captions: dict[str, list[str]] = defaultdict(list)
    unmatched = 0
    for row in rows:
        name = _normal(row.image.replace("\\", "/")).removeprefix("./")
        if name not in exact:
            found = by_name.get(name.rpartition("/")[2], [])
            if len(found) > 1:
                found = [key for key in found if key.endswith(f"/{name}")]
            if len(found) != 1:
                unmatched += 1
                continue
            name = found[0]
        captions[exact[name]].append(row.caption)
    return dict(captions), unmatched


def _normal(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)
