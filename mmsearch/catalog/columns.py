"""What filters ask of the items of one generation, in arrays: read once, compared in no time.

Each column is read when it is first needed and kept for all queries of the generation, so that a
lone query reads only what it filters by, and later ones nothing.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmsearch.catalog.paths import as_text, decode_path, under
from mmsearch.items import Modality

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mmsearch.catalog.reader import CatalogReader

_T = TypeVar("_T")

Number = Literal["width", "height", "duration", "latitude", "longitude"]
Name = Literal["camera", "language", "suffix"]

_MODALITIES = tuple(Modality)
_REMEMBERED_FOLDERS = 32


class Kept:
    """What was read of one generation; several threads may use it at once."""

    def __init__(self) -> None:
        self.values: dict[object, Any] = {}
        self.turn = threading.RLock()


class _Once(Generic[_T]):
    """A property that is read once in a generation."""

    def __init__(self, read: Callable[[Columns], _T]) -> None:
        self._read = read
        self.__doc__ = read.__doc__

    def __get__(self, columns: Columns, owner: type[Columns]) -> _T:
        return columns.once(self, partial(self._read, columns))


class Columns:
    """The columns of all items, and of the assets that they belong to.

    Arrays are shared: treat them as read-only. Valid as long as the generation that they were
    read from is the reader's; made and used inside its snapshots.
    """

    def __init__(self, reader: CatalogReader, kept: Kept | None = None) -> None:
        """Reads with ``reader``, and only what is not among ``kept`` of the same generation."""
        self.reader = reader
        self._kept = Kept() if kept is None else kept

    @_Once
    def items(self) -> NDArray[np.int64]:
        """Item ids, int64, ascending, shape (items,)."""
        return self._items[0]

    def of_modality(self, *modalities: Modality) -> NDArray[np.bool_]:
        """Which items have one of some modalities, bool, shape (items,)."""

        def compare() -> NDArray[np.bool_]:
            wanted = np.zeros(len(_MODALITIES), dtype=bool)
            wanted[[_MODALITIES.index(one) for one in modalities]] = True
            return wanted[self._items[2]]

        return self.once(("modality", *sorted(modalities)), compare)

    @_Once
    def assets(self) -> NDArray[np.int64]:
        """Asset ids, int64, ascending, shape (assets,)."""
        (row,) = self.reader.select(
            "SELECT group_concat(id) FROM (SELECT id FROM asset ORDER BY id)"
        )
        return _numbers(row[0]).astype(np.int64)

    @_Once
    def asset_of_item(self) -> NDArray[np.int64]:
        """The place of each item's asset in ``assets``, int64, shape (items,)."""
        return np.searchsorted(self.assets, self._items[1])

    def number(self, of: Number) -> NDArray[np.float64]:
        """A number that files tell, for each item: float64, shape (items,), NaN where unknown."""

        def read() -> NDArray[np.float64]:
            (row,) = self.reader.select(
                f"SELECT group_concat(coalesce({of}, 'nan')) "
                f"FROM (SELECT {of} FROM asset ORDER BY id)"
            )
            return _numbers(row[0])[self.asset_of_item]

        return self.once(of, read)

    @_Once
    def captured_at(self) -> NDArray[np.datetime64]:
        """When each item's file was taken, in local time, to the microsecond; NaT where unknown."""
        rows = self.reader.select("SELECT captured_at FROM asset ORDER BY id")
        taken = np.array([row[0] or "NaT" for row in rows], dtype="datetime64[us]")
        return taken[self.asset_of_item]

    def names(self, of: Name) -> tuple[NDArray[np.int64], list[str]]:
        """Names that files tell or have, case-folded.

        Returns:
            for each item a place in the list of names, int64, shape (items,), -1 where there is
            none; and the names that occur. A suffix is without its dot.
        """

        def read() -> tuple[NDArray[np.int64], list[str]]:
            known: dict[str, int] = {}
            codes = [
                known.setdefault(name, len(known)) if name else -1 for name in self._asset_names(of)
            ]
            return np.array(codes, dtype=np.int64)[self.asset_of_item], list(known)

        return self.once(("names", of), read)

    @_Once
    def folders(self) -> tuple[NDArray[np.int64], list[tuple[int, str]]]:
        """The folders that files lie in.

        Returns:
            for each item a place in the list of folders, int64, shape (items,); and the folders
            as (source id, path relative to the source) pairs: empty for the source itself, ``..``
            where the source is the file.
        """
        known: dict[tuple[int, str], int] = {}
        codes = []
        for source, stored in self.reader.select("SELECT source_id, path FROM asset ORDER BY id"):
            path = decode_path(stored)
            folder = ".." if path == "." else path.rpartition("/")[0]
            codes.append(known.setdefault((source, folder), len(known)))
        return np.array(codes, dtype=np.int64)[self.asset_of_item], list(known)

    def under(self, folders: Sequence[tuple[int, str]]) -> NDArray[np.bool_]:
        """Which items are of assets under one of some folders, bool, shape (items,).

        Args:
            folders: (source id, path relative to the source) pairs; the empty path is the whole
                source.
        """

        def read() -> NDArray[np.bool_]:
            inside = np.zeros(len(self.assets), dtype=bool)
            for source, path in folders:
                condition, values = under(source, path)
                (row,) = self.reader.select(
                    f"SELECT group_concat(id) FROM asset WHERE {condition}", values
                )
                inside[np.searchsorted(self.assets, _numbers(row[0]).astype(np.int64))] = True
            return inside[self.asset_of_item]

        return self.lately("under", tuple(folders), read, keep=_REMEMBERED_FOLDERS)

    @_Once
    def _items(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Item ids, their assets' ids, and the places of their modalities in `_MODALITIES`."""
        codes = " ".join(f"WHEN '{one}' THEN {code}" for code, one in enumerate(_MODALITIES))
        # One string a column: a row each would take several times as long.
        (row,) = self.reader.select(
            f"""
            SELECT group_concat(id), group_concat(asset_id), group_concat(code) FROM (
                SELECT id, asset_id, CASE modality {codes} END AS code FROM item ORDER BY id)
            """
        )
        ids, assets, modalities = (_numbers(column).astype(np.int64) for column in row)
        return ids, assets, modalities

    def _asset_names(self, of: Name) -> list[str]:
        """For each asset; empty where there is none."""
        if of != "suffix":
            rows = self.reader.select(f"SELECT {of} FROM asset ORDER BY id")
            return [(row[0] or "").casefold() for row in rows]
        rows = self.reader.select(
            """
            SELECT CASE asset.path WHEN '.' THEN source.path ELSE asset.path END FROM asset
            JOIN source ON source.id = asset.source_id ORDER BY asset.id
            """
        )
        files = (as_text(decode_path(row[0])).rpartition("/")[2] for row in rows)
        return [file.rpartition(".")[2].casefold() if "." in file[1:] else "" for file in files]

    def lately(self, what: str, key: object, read: Callable[[], _T], *, keep: int) -> _T:
        """The same for things of which there may be any number: the last few are kept."""
        kept: dict[object, tuple[_T]] = self.once(("lately", what), dict)
        with self._kept.turn:
            found = kept.pop(key, None)
            if found is not None:
                kept[key] = found  # the last one to go
        if found is None:
            found = (read(),)  # others need not wait
            with self._kept.turn:
                kept[key] = found
                if len(kept) > keep:
                    del kept[next(iter(kept))]
        return found[0]

    def count_names(self) -> int:
        """How many assets have a name: all, whether they could be read or not."""
        return self.once("count names", self.reader.count_names)

    def once(self, key: object, read: Callable[[], _T]) -> _T:
        """What ``read`` gives, kept for the generation; read when it is first asked for."""
        values = self._kept.values
        if key not in values:
            with self._kept.turn:
                if key not in values:
                    values[key] = read()
        kept: _T = values[key]
        return kept


def _numbers(joined: str | None) -> NDArray[np.float64]:
    """Numbers that SQLite has joined by commas."""
    if not joined:
        return np.empty(0)
    return np.fromstring(joined, dtype=np.float64, sep=",")
