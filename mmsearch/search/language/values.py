"""Values of filters: dates, numbers, places, names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from math import inf, isfinite, nextafter
from typing import Literal

from mmsearch.items import Modality
from mmsearch.paths import in_home
from mmsearch.search.language.conditions import (
    Condition,
    Has,
    InFolder,
    Measure,
    Named,
    Near,
    OfModality,
    Taken,
)


class RefusedError(Exception):
    """A value that a filter does not take; the message says what it takes."""


def condition(key: str, value: str) -> Condition:
    """What a filter asks for.

    Args:
        key: of the filter, in lower case, without its colon.
        value: what follows, without quotation marks.

    Raises:
        RefusedError: the filter does not take this value.
    """
    if not value.strip():
        raise RefusedError("takes a value")
    return _READ[key](value.strip())


def _type(value: str) -> Condition:
    return OfModality(_modalities(value))


def _has(value: str) -> Condition:
    return Has(_modalities(value))


def _modalities(value: str) -> frozenset[Modality]:
    try:
        return frozenset(Modality(name) for name in _list(value))
    except ValueError:
        raise RefusedError(f"takes {_or(list(Modality))}, or several with commas") from None


def _folder(value: str) -> Condition:
    if "\0" in value:
        raise RefusedError("takes a folder")
    return InFolder(in_home(value))


_DATE = re.compile(r"(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2})(?:T(\d{1,2}):(\d{2}))?)?)?")


def _before(value: str) -> Condition:
    return Taken(end=_period(value)[0])


def _after(value: str) -> Condition:
    return Taken(start=_period(value)[0])


def _on(value: str) -> Condition:
    return Taken(*_period(value))


def _period(value: str) -> tuple[datetime, datetime | None]:
    """The first moment of a year, month, day or minute, and of the next; None after the last."""
    refused = RefusedError("takes a year, month or day, such as 2023, 2023-05 or 2023-05-06")
    match = _DATE.fullmatch(value)
    if match is None:
        raise refused
    year, month, day, hour, minute = (
        None if part is None else int(part) for part in match.groups()
    )
    try:
        start = datetime(year or 0, month or 1, day or 1, hour or 0, minute or 0)
    except ValueError:
        raise refused from None
    try:
        if month is None:
            return start, start.replace(year=start.year + 1)
        if day is None:
            return start, (start + timedelta(days=31)).replace(day=1)
        return start, start + (timedelta(days=1) if hour is None else timedelta(minutes=1))
    except (ValueError, OverflowError):  # year 10000
        return start, None


_BOUND = re.compile(r"(>=|<=|>|<|=)?([^<>=]+?)")
_Reader = Callable[[str], float]


def _measure(
    of: Literal["width", "height", "ratio", "duration"],
    read: _Reader,
    *,
    about: Callable[[float], tuple[float, float]],
    example: str,
    value: str,
) -> Condition:
    """A number, a bound, or a range.

    Args:
        of: what is measured.
        read: reads a number; ValueError where it is none.
        about: what still counts as equal to a number.
        example: of a number.
        value: what was typed.
    """
    try:
        low, dots, high = value.partition("..")
        if dots:
            bounds = (_number(read, low) if low else -inf, _number(read, high) if high else inf)
            if bounds[0] > bounds[1] or not (low or high):
                raise ValueError
            return Measure(of, *bounds)
        match = _BOUND.fullmatch(value)
        if match is None:
            raise ValueError
        number = _number(read, match[2])
    except ValueError:
        raise RefusedError(
            f"takes a number such as {example}, a bound (>{example}, <={example}) "
            f"or a range ({example}.., ..{example})"
        ) from None
    match match[1]:
        case ">":
            return Measure(of, low=nextafter(number, inf))
        case ">=":
            return Measure(of, low=number)
        case "<":
            return Measure(of, high=nextafter(number, -inf))
        case "<=":
            return Measure(of, high=number)
        case _:
            return Measure(of, *about(number))


def _number(read: _Reader, value: str) -> float:
    number = read(value.strip())
    if not isfinite(number) or number < 0:
        raise ValueError(value)
    return number


_SHAPES = {
    "landscape": (nextafter(1.0, inf), inf),
    "portrait": (0.0, nextafter(1.0, 0.0)),
    "square": (1.0, 1.0),
}


def _ratio(value: str) -> Condition:
    if value.casefold() in _SHAPES:
        return Measure("ratio", *_SHAPES[value.casefold()])
    try:
        return _measure(
            "ratio", _quotient, about=lambda r: (0.98 * r, 1.02 * r), example="3:2", value=value
        )
    except RefusedError as refused:
        raise RefusedError(f"{refused}, or {_or(list(_SHAPES))}") from None


def _quotient(value: str) -> float:
    """``16:9``, ``16/9`` or ``1.78``."""
    over, mark, under = value.replace("/", ":").partition(":")
    if not mark:
        return float(over)
    if not float(under) > 0:
        raise ValueError(value)
    return float(over) / float(under)


_CLOCK = re.compile(r"(?:(\d+):(?=[0-5]?\d:))?(\d+):([0-5]?\d(?:\.\d+)?)")
_LENGTH = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?:in)?)?(?:(\d+(?:\.\d+)?)s?)?")


def _seconds(value: str) -> float:
    """``90``, ``90s``, ``1m30s``, ``2h``, ``1:30`` or ``1:00:00``."""
    match = _CLOCK.fullmatch(value) or _LENGTH.fullmatch(value.casefold())
    if match is None or not value:
        raise ValueError(value)
    hours, minutes, rest = (float(part or 0) for part in match.groups())
    return 3600 * hours + 60 * minutes + rest


def _near(value: str) -> Condition:
    refused = RefusedError("takes LATITUDE,LONGITUDE,KILOMETRES in degrees, such as 48.2,16.4,10")
    parts = value.casefold().removesuffix("km").split(",")
    try:
        latitude, longitude, kilometres = map(float, parts)
    except ValueError:
        raise refused from None
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180 and 0 <= kilometres < inf):
        raise refused
    return Near(latitude, longitude, kilometres)


def _camera(value: str) -> Condition:
    return Named("camera", frozenset((value.casefold(),)), part=True)


_LANGUAGE = re.compile(r"[a-z]{2,3}")


def _language(value: str) -> Condition:
    names = frozenset(_list(value))
    if not all(_LANGUAGE.fullmatch(name) for name in names):
        raise RefusedError("takes a code of a language, such as en or de")
    return Named("language", names)


def _suffix(value: str) -> Condition:
    names = frozenset(name.removeprefix(".") for name in _list(value))
    if not all(names):
        raise RefusedError("takes the end of a file's name, such as jpg, or several with commas")
    return Named("suffix", names)


def _list(value: str) -> list[str]:
    return [part.strip().casefold() for part in value.split(",")]


def _or(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _same(number: float) -> tuple[float, float]:
    return number, number


def _within_half(number: float) -> tuple[float, float]:
    return number - 0.5, number + 0.5


_READ: Mapping[str, Callable[[str], Condition]] = {
    "type": _type,
    "in": _folder,
    "before": _before,
    "after": _after,
    "on": _on,
    "width": lambda value: _measure("width", float, about=_same, example="1920", value=value),
    "height": lambda value: _measure("height", float, about=_same, example="1080", value=value),
    "ratio": _ratio,
    "camera": _camera,
    "near": _near,
    "duration": lambda value: _measure(
        "duration", _seconds, about=_within_half, example="1m30s", value=value
    ),
    "lang": _language,
    "ext": _suffix,
    "has": _has,
}
