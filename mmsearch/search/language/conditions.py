"""Conditions on items, and which items meet them.

Each is evaluated over all items of an index at once, on columns held in memory. What a file does
not tell (when it was taken, how long it lasts) meets no condition on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from mmsearch.catalog.columns import Columns
from mmsearch.items import Modality
from mmsearch.search.folders import folders_matching

Mask = NDArray[np.bool_]

_EARTH_RADIUS_KM = 6371.0088  # mean radius, IUGG


class Condition(Protocol):
    """What an item may meet or not."""

    def met(self, columns: Columns) -> Mask:
        """Which items meet it, bool, shape (items,), in the order of ``columns.items``.

        Raises:
            QueryError: what it speaks of is not in the index.
        """


@dataclass(frozen=True, slots=True)
class OfModality:
    """Items of one of these modalities."""

    modalities: frozenset[Modality]

    def met(self, columns: Columns) -> Mask:
        """See `Condition`."""
        return columns.of_modality(*self.modalities)


@dataclass(frozen=True, slots=True)
class InFolder:
    """Items of files in a folder and below, or of one file."""

    folder: Path

    def met(self, columns: Columns) -> Mask:
        """See `Condition`."""
        return columns.under(tuple(folders_matching(columns.reader, self.folder)))


@dataclass(frozen=True, slots=True)
class Taken:
    """Items of files that were taken from ``start`` on and before ``end``, in local time."""

    start: datetime | None = None
    end: datetime | None = None

    def met(self, columns: Columns) -> Mask:
        """See `Condition`."""
        taken = columns.captured_at
        met = ~np.isnat(taken)
        if self.start is not None:
            met &= taken >= np.datetime64(self.start)
        if self.end is not None:
            met &= taken < np.datetime64(self.end)
        return met


@dataclass(frozen=True, slots=True)
class Measure:
    """Items whose files measure ``low`` to ``high``, both included.

    Attributes:
        of: width and height in pixels, as displayed; ratio of width to height; duration in
            seconds.
        low: the least.
        high: the most.
    """

    of: Literal["width", "height", "ratio", "duration"]
    low: float = -np.inf
    high: float = np.inf

    def met(self, columns: Columns) -> Mask:
        """See `Condition`."""
        if self.of == "ratio":
            measured = columns.number("width") / columns.number("height")
        else:
            measured = columns.number(self.of)
        return (measured >= self.low) & (measured <= self.high)  # False where it is NaN


@dataclass(frozen=True, slots=True)
class Near:
    """Items of files that were taken within some kilometres of a place, over the great circle."""

    latitude: float
    longitude: float
    kilometres: float

    def met(self, columns: Columns) -> Mask:
        """See `Condition`."""
        latitude, longitude = map(
            np.radians, (columns.number("latitude"), columns.number("longitude"))
        )
        here, there = np.radians(self.latitude), np.radians(self.longitude)
        half = (
            np.sin((latitude - here) / 2) ** 2
            + np.cos(latitude) * np.cos(here) * np.sin((longitude - there) / 2) ** 2
        )
        distance = 2 * _EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(half, 1)))
        met: Mask = distance <= self.kilometres
        return met


@dataclass(frozen=True, slots=True)
class Named:
    """Items of files whose camera, language or suffix has one of some names, in any case.

    Attributes:
        of: which name.
        names: in case-folded form.
        part: whether a part of the name will do.
    """

    of: Literal["camera", "language", "suffix"]
    names: frozenset[str]
    part: bool = False

    def met(self, columns: Columns) -> Mask:
        """See `Condition`."""
        codes, known = columns.names(self.of)
        fits = [
            any(wanted in name if self.part else wanted == name for wanted in self.names)
            for name in known
        ]
        return np.array([*fits, False])[codes]  # the code of no name is -1


@dataclass(frozen=True, slots=True)
class Has:
    """Items of files that have an item of one of these modalities: photos with captions."""

    modalities: frozenset[Modality]

    def met(self, columns: Columns) -> Mask:
        """See `Condition`."""
        found = np.zeros(len(columns.assets), dtype=bool)
        found[columns.asset_of_item[columns.of_modality(*self.modalities)]] = True
        return found[columns.asset_of_item]


@dataclass(frozen=True, slots=True)
class Not:
    """Items that do not meet a condition."""

    condition: Condition

    def met(self, columns: Columns) -> Mask:
        """See `Condition`."""
        return ~self.condition.met(columns)
