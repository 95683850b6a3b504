"""What the tags of a video or a recording say: when, where, with what, and its captions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from mmsearch.media.metadata import parse_date

_LOCAL_TIMES = ("com.apple.quicktime.creationdate", "date_recorded", "date")
_UTC_TIMES = ("creation_time",)
_PLACES = ("com.apple.quicktime.location.iso6709", "location", "location-eng", "xyz")
_MAKES = ("com.apple.quicktime.make", "com.android.manufacturer", "make")
_MODELS = ("com.apple.quicktime.model", "com.android.model", "model")
_CAPTIONS = (
    ("title", "com.apple.quicktime.title", "com.apple.quicktime.displayname"),
    ("description", "com.apple.quicktime.description", "synopsis"),
    ("comment", "com.apple.quicktime.comment"),
)
_FIRST_YEAR = 1971  # clocks that were never set count from 1904 or 1970
_MAX_NAME = 100  # characters of a camera's name

# ISO 6709 (2008), annex H: degrees, or degrees and minutes, or also seconds, without separators.
_PLACE = re.compile(r"([+-])([0-9]{2,6})(\.[0-9]+)?([+-])([0-9]{3,7})(\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Tags:
    """What the tags of a file say.

    Attributes:
        captured_at: the camera's local time where the file tells it, else UTC (naive).
        latitude: degrees north.
        longitude: degrees east.
        camera: maker and model.
        captions: title, description and comment, in this order, without repetitions.
    """

    captured_at: datetime | None
    latitude: float | None
    longitude: float | None
    camera: str | None
    captions: tuple[str, ...]


def read_tags(tags: Iterable[Mapping[str, str]]) -> Tags:
    """Gathers facts from FFmpeg's metadata; whatever is malformed counts as absent.

    Args:
        tags: the file's, then its streams'; the first of equal names counts.
    """
    merged: dict[str, str] = {}
    for level in tags:
        for name, value in level.items():
            merged.setdefault(name.casefold(), value)
    latitude, longitude = next(
        (place for name in _PLACES if (place := parse_place(merged.get(name, "")))), (None, None)
    )
    dates = (parse_date(merged.get(name, "")) for name in (*_LOCAL_TIMES, *_UTC_TIMES))
    captions = (
        " ".join(merged[name].split()) for names in _CAPTIONS for name in names if name in merged
    )
    return Tags(
        captured_at=next((date for date in dates if date and date.year >= _FIRST_YEAR), None),
        latitude=latitude,
        longitude=longitude,
        camera=_camera(_first(merged, _MAKES), _first(merged, _MODELS)),
        captions=tuple(dict.fromkeys(caption for caption in captions if caption)),
    )


def parse_place(text: str) -> tuple[float, float] | None:
    """Reads an ISO 6709 position such as ``+48.8584+002.2945+035/``; the height is left out.

    Returns:
        Degrees north and east, or None where the text is no position. Exactly 0, 0 is what
        devices write without a fix, and counts as none.
    """
    if not (match := _PLACE.match(text.strip())):
        return None
    latitude = _degrees(match[1], match[2], match[3], whole=2)
    longitude = _degrees(match[4], match[5], match[6], whole=3)
    if latitude is None or longitude is None or latitude == longitude == 0:
        return None
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else None


def _degrees(sign: str, digits: str, fraction: str | None, *, whole: int) -> float | None:
    """Digits ``DD``, ``DDMM`` or ``DDMMSS`` (one more D for longitudes) with a fraction."""
    rest = digits[whole:]
    if len(rest) not in (0, 2, 4):
        return None
    parts = [digits[:whole], *(rest[i : i + 2] for i in range(0, len(rest), 2))]
    parts[-1] += fraction or ""
    value = sum(float(part) / float(60**i) for i, part in enumerate(parts))
    return -value if sign == "-" else value


def _first(tags: Mapping[str, str], names: Iterable[str]) -> str:
    return next((" ".join(tags[name].split()) for name in names if tags.get(name)), "")


def _camera(make: str, model: str) -> str | None:
    """Maker and model, the maker only where the model does not name it already."""
    if make and model.casefold().startswith(make.casefold()):
        return model[:_MAX_NAME]
    return f"{make} {model}".strip()[:_MAX_NAME] or None
