"""One row of a file of captions, and what its columns may be called."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from mmsearch.media.text import without_surrogates

IMAGE_KEYS = ("image", "file_name", "filename", "image_path", "path", "file", "img")
"""Names of the column that holds the photo's name; the first that there is counts."""

CAPTION_KEYS = ("caption", "captions", "text", "sentences", "sentence", "description")
"""Names of the column that holds the caption, or all of them; likewise."""


@dataclass(frozen=True, slots=True)
class CaptionRow:
    """One caption and the photo it describes.

    Attributes:
        image: the photo's file name, relative to the folder of photos.
        caption: the text, stripped of surrounding white space.
        split: the split that the file itself assigns (Karpathy only).
        line: in its file, from 1 on; 0 in formats without lines.
    """

    image: str
    caption: str
    split: str | None = None
    line: int = field(default=0, compare=False)


def find_key(names: Collection[str], wanted: tuple[str, ...]) -> str | None:
    """The first wanted name among some names, in any case."""
    by_key = {name.strip().casefold(): name for name in reversed(list(names))}
    return next((by_key[key] for key in wanted if key in by_key), None)


def rows_of(image: object, captions: object, line: int = 0) -> Iterator[CaptionRow]:
    """Rows of one photo from values of JSON or Parquet.

    Args:
        image: a name, or an object with a ``path``, as the ``datasets`` library stores photos.
        captions: a string, an object with ``raw`` or ``caption``, or a list of these.
        line: where they stand.
    """
    name = image.get("path") if isinstance(image, Mapping) else image
    name = cleaned(name) if isinstance(name, str) else ""
    for caption in captions if isinstance(captions, list) else [captions]:
        if isinstance(caption, Mapping):
            caption = next((caption[k] for k in ("raw", "caption", "text") if k in caption), None)
        yield CaptionRow(name, cleaned(caption) if isinstance(caption, str) else "", None, line)


def cleaned(text: str) -> str:
    """A name or caption from JSON or Parquet as a row holds it."""
    return without_surrogates(text).strip()
