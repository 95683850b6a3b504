"""How closely files are the same: by content, by looks, by the moment they were taken."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from mmsearch.catalog.looks import Looks
from mmsearch.items import Match
from mmsearch.search.duplicates.compare import likeness
from mmsearch.search.duplicates.prints import Prints

BURST_SECONDS = 2.0
"""Shots of one camera that are no further apart may be of one moment."""

Codes = NDArray[np.int8]
"""0 for files that are not the same, else 1 and up as in `MATCHES`."""

MATCHES = tuple(Match)

_EPOCH = datetime(1970, 1, 1)


def code_of(match: Match) -> int:
    """What stands for a match in `Codes`; closer ones have lower codes."""
    return MATCHES.index(match) + 1


class Kin:
    """Some files, to be compared in pairs.

    Args:
        looks: of each file.
    """

    def __init__(self, looks: Sequence[Looks]) -> None:
        prints = [one.fingerprint for one in looks if one.fingerprint is not None]
        self._prints = Prints.of(prints)
        has_print = np.array([one.fingerprint is not None for one in looks], dtype=bool)
        self._print_of = np.where(has_print, np.cumsum(has_print) - 1, -1)
        self._contents = _numbered([one.content_hash for one in looks])
        self._cameras = _numbered([one.camera for one in looks])
        self._times = np.array([_seconds(one.captured_at) for one in looks], dtype=np.float64)

    @property
    def photos(self) -> NDArray[np.int64]:
        """The numbers of the files that have a fingerprint, int64, shape (photos,)."""
        return np.flatnonzero(self._print_of >= 0)

    def coarse(self) -> NDArray[np.float32]:
        """`Prints.coarse` of the files in ``photos``, float32, shape (photos, 64)."""
        return self._prints.coarse()

    @property
    def contents(self) -> NDArray[np.int64]:
        """Files with the same number have the same content; -1 where it is not known."""
        return self._contents

    def compare(self, ones: NDArray[np.int64], others: NDArray[np.int64]) -> Codes:
        """How closely files are the same, pair by pair.

        Args:
            ones: numbers of files, int64, shape (n,).
            others: likewise.

        Returns:
            int8, shape (n,).
        """
        same_content = self._contents[ones] == self._contents[others]
        codes = np.where(same_content & (self._contents[ones] >= 0), code_of(Match.EXACT), 0)
        rows, columns = self._print_of[ones], self._print_of[others]
        open_ = np.flatnonzero((codes == 0) & (rows >= 0) & (columns >= 0))
        if len(open_):
            alike = likeness(self._prints[rows[open_]], self._prints[columns[open_]])
            burst = alike.same_scene & self._at_one_moment(ones[open_], others[open_])
            codes[open_] = np.where(burst, code_of(Match.BURST), 0)
            codes[open_[alike.copies]] = code_of(Match.NEAR)
        return codes.astype(np.int8)

    def _at_one_moment(
        self, ones: NDArray[np.int64], others: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        same_camera = (self._cameras[ones] == self._cameras[others]) & (self._cameras[ones] >= 0)
        at_once = np.abs(self._times[ones] - self._times[others]) <= BURST_SECONDS
        return np.asarray(same_camera & at_once)


def _numbered(values: Sequence[str | None]) -> NDArray[np.int64]:
    """A number for each value, equal for equal ones; -1 for None."""
    known: dict[str, int] = {}
    return np.array(
        [-1 if value is None else known.setdefault(value, len(known)) for value in values],
        dtype=np.int64,
    )


def _seconds(taken: datetime | None) -> float:
    # NaN is far from every moment. Not timestamp(): it depends on this machine's time zone.
    return float("nan") if taken is None else (taken - _EPOCH).total_seconds()
