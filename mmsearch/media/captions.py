"""Reads the captions that stand in a file beside a photo, recording or video."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from mmsearch.media.descriptions import Description
from mmsearch.media.formats import suffix_of
from mmsearch.media.text import decode_text, parse_json, read_small
from mmsearch.media.xmp import parse_xmp

MAX_SIDECAR_MEGABYTES = 4
"""Larger files beside a photo are no captions."""

# Keys of Google Takeout, img2dataset, clip-retrieval, gallery-dl, yt-dlp and Flickr's export, in
# lower case without marks between words.
TEXT_KEYS = frozenset(
    (
        "caption", "captions", "description", "descriptions", "text", "texts", "sentence",
        "sentences", "raw", "title", "headline", "alt", "alttext", "label", "comment",
    )
)  # fmt: skip
"""JSON keys whose values are captions."""

KEYWORD_KEYS = frozenset(("keywords", "tags", "subjects", "people", "categories", "labels"))
"""JSON keys whose values are keywords."""

_INNER_KEYS = ("name", "text", "caption", "raw", "value", "tag", "title", "content", "_content")


def read_sidecar(path: Path) -> list[str]:
    """Reads the captions in a companion.

    - Plain text holds one caption a line; blank lines do not count.
    - JSON holds captions under keys such as ``caption``, ``captions``, ``description``, ``title``
      and ``text``, and keywords under ``keywords``, ``tags`` and ``people``; as a string, a list
      of strings, or objects with a ``text`` or ``name``. All else in it is ignored.
    - XMP holds them as :func:`~mmsearch.media.xmp.parse_xmp` says.

    Keywords become one caption, joined by commas. Encodings are those of
    :func:`~mmsearch.media.text.decode_text`.

    Args:
        path: ``.txt``, ``.json`` or ``.xmp``.

    Returns:
        Captions, none of them empty, no two the same; none where the file says nothing.

    Raises:
        UnreadableFileError: it may not be read, is empty or damaged, or has more than 4 MB. The
            message is the reason alone and does not repeat the path.
    """
    data = read_small(path, MAX_SIDECAR_MEGABYTES)
    suffix = suffix_of(path.name)
    if suffix == ".xmp":
        return list(parse_xmp(data).captions())
    text = decode_text(data)
    if suffix == ".json":
        return list(_parse_json(text).captions())
    return list(Description(texts=text.splitlines()).captions())


def _parse_json(text: str) -> Description:
    document = parse_json(text)
    found = Description()
    for entry in document if isinstance(document, list) else [document]:
        if isinstance(entry, str):
            found.texts.append(entry)
        elif isinstance(entry, Mapping):
            found.extend(describe(entry))
    return found


def describe(entry: Mapping[str, object]) -> Description:
    """Finds captions and keywords in a JSON object by its keys."""
    found = Description()
    for key, value in entry.items():
        plain = "".join(filter(str.isalnum, key.casefold()))
        if plain in TEXT_KEYS:
            found.texts += _strings(value)
        elif plain in KEYWORD_KEYS:
            found.keywords += _strings(value)
    return found


def _strings(value: object) -> Iterator[str]:
    """The strings of a value: itself, those in its list, or those that its objects name."""
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, str):
            yield part
        elif isinstance(part, Mapping):
            named = (part.get(key) for key in _INNER_KEYS)
            if (text := next((name for name in named if isinstance(name, str)), None)) is not None:
                yield text
