"""The vectors themselves: ids and float16 rows, saved ones memory-mapped, new ones in memory.

    NAME.ids    int64, ascending
    NAME.rows   float16, one row after the other

Both files only ever grow at their ends, so whoever has mapped a beginning of them keeps it. What
lies beyond the rows that the head of the store counts was left by a run that was cut short, and
is not used.
"""

from __future__ import annotations

import copy
import os
import secrets
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.vectors.files import map_array, sync, undone_on_failure

ROW_DTYPE = np.dtype("<f2")
"""Just as the catalog stores embeddings, so nothing is lost against it."""

_CHUNK = 16_384  # rows that are written at once
_SCATTERED = 5_000  # rows that are read one by one at most
_MAPPED = 64 << 20  # bytes of rows that are searched exactly, and so are mapped as a whole anyway


class Rows:
    """Ids and vectors in ascending order of ids; the place of a row is its number.

    Attributes:
        name: of the files that hold the saved rows; empty while there are none.
        saved: how many rows the files hold.
    """

    def __init__(self, dim: int) -> None:
        """Makes an empty one for vectors of length ``dim``."""
        self.dim = dim
        self.name = ""
        self.saved = 0
        self._saved_ids: NDArray[np.int64] = np.empty(0, np.int64)
        self._saved_rows: NDArray[np.float16] = np.empty((0, dim), ROW_DTYPE)
        self._file: _OpenFile | None = None
        self._new: list[tuple[NDArray[np.int64], NDArray[np.float16]]] = []

    @classmethod
    def open(cls, folder: Path, name: str, count: int, dim: int) -> Rows:
        """Maps saved rows.

        Raises:
            OSError: the files are not there, or too short.
        """
        rows = cls(dim)
        rows._map(folder, name, count)
        return rows

    def __len__(self) -> int:
        return self.saved + self.unsaved

    @property
    def unsaved(self) -> int:
        """How many rows are in memory alone."""
        return sum(len(ids) for ids, _ in self._new)

    @property
    def ids(self) -> NDArray[np.int64]:
        """All ids, int64, ascending, shape (rows,)."""
        if not self._new:
            return self._saved_ids
        return np.concatenate([self._saved_ids, *(ids for ids, _ in self._new)])

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.floating[Any]]) -> None:
        """Adds rows at the end; they are in memory until they are saved."""
        if len(ids):
            new = np.array(ids, np.int64), np.array(vectors, ROW_DTYPE, order="C")
            self._new.append(new)

    def copy(self) -> Rows:
        """Others of the same content, to be added to and saved by themselves."""
        made = copy.copy(self)
        made._new = list(self._new)
        return made

    def blocks(self, first: int, last: int) -> Iterator[NDArray[np.float16]]:
        """Rows from a place on to before another, as they lie, float16, shape (n, dim) each."""
        at = 0
        for block in (self._saved_rows, *self._joined()):
            part = block[max(0, first - at) : max(0, last - at)]
            if len(part):
                yield part
            at += len(block)

    def take(self, places: NDArray[np.integer[Any]]) -> NDArray[np.float16]:
        """The rows at some places, float16, shape (n, dim)."""
        (new,) = self._joined() or [self._saved_rows[:0]]
        if not len(new):
            return self._take_saved(places)
        taken = np.empty((len(places), self.dim), ROW_DTYPE)
        is_new = places >= self.saved
        taken[~is_new] = self._take_saved(places[~is_new])
        taken[is_new] = new[places[is_new] - self.saved]
        return taken

    def _take_saved(self, places: NDArray[np.integer[Any]]) -> NDArray[np.float16]:
        """Saved rows; a few of many are read, for mapping takes 64 kB of memory for each."""
        is_small = self._saved_rows.nbytes <= _MAPPED
        if self._file is None or is_small or len(places) > _SCATTERED:
            mapped: NDArray[np.float16] = self._saved_rows[places]
            return mapped
        size = self.dim * ROW_DTYPE.itemsize
        parts = [os.pread(self._file.number, size, size * place) for place in places.tolist()]
        return np.frombuffer(b"".join(parts), ROW_DTYPE).reshape(len(places), self.dim)

    def save(self, folder: Path) -> None:
        """Writes what is in memory behind what is saved; it is on the disk then, and mapped.

        Raises:
            OSError: it could not be written.
        """
        if not self._new:
            return
        name = self.name
        if not name or not self._ends_here(folder):
            name = secrets.token_hex(6)
            self._write(folder, name, "xb", self._all())
        else:
            self._write(folder, name, "ab", iter(self._new))
        self._map(folder, name, len(self))

    def without(self, folder: Path, is_alive: NDArray[np.bool_]) -> Rows:
        """Writes those that are alive to new files, and maps them."""
        name = secrets.token_hex(6)
        places = np.flatnonzero(is_alive)
        ids = self.ids
        chunks = (places[at : at + _CHUNK] for at in range(0, len(places), _CHUNK))
        self._write(folder, name, "xb", ((ids[chunk], self.take(chunk)) for chunk in chunks))
        return self.open(folder, name, len(places), self.dim)

    def files(self) -> tuple[str, ...]:
        """Names of the files that hold the saved rows."""
        return (f"{self.name}.ids", f"{self.name}.rows") if self.name else ()

    def _all(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float16]]]:
        yield self._saved_ids, self._saved_rows
        yield from self._new

    def _joined(self) -> list[NDArray[np.float16]]:
        """The new rows in one piece, if there are any."""
        new = self._new
        if len(new) > 1:
            ids, rows = zip(*new, strict=True)
            # In one step: other searches, or a copy, may be at it too.
            self._new = new = [(np.concatenate(ids), np.concatenate(rows))]
        return [rows for _, rows in new]

    def _ends_here(self, folder: Path) -> bool:
        """Whether the files hold the saved rows and nothing that somebody else may have mapped."""
        sizes = (self.saved * 8, self.saved * self.dim * ROW_DTYPE.itemsize)
        try:
            return sizes == tuple((folder / file).stat().st_size for file in self.files())
        except OSError:
            return False

    def _write(
        self,
        folder: Path,
        name: str,
        mode: str,
        parts: Iterator[tuple[NDArray[np.int64], NDArray[np.float16]]],
    ) -> None:
        with (
            undone_on_failure(folder / f"{name}.ids"),
            undone_on_failure(folder / f"{name}.rows"),
            (folder / f"{name}.ids").open(mode) as ids_file,
            (folder / f"{name}.rows").open(mode) as rows_file,
        ):
            for ids, rows in parts:
                ids_file.write(np.ascontiguousarray(ids, "<i8").data)
                rows_file.write(np.ascontiguousarray(rows, ROW_DTYPE).data)
            sync(ids_file)  # type: ignore[arg-type]
            sync(rows_file)  # type: ignore[arg-type]

    def _map(self, folder: Path, name: str, count: int) -> None:
        self._saved_ids = map_array(folder / f"{name}.ids", "<i8", (count,))
        self._saved_rows = map_array(folder / f"{name}.rows", ROW_DTYPE, (count, self.dim))
        if name and hasattr(os, "pread") and (self._file is None or name != self.name):
            self._file = _OpenFile(folder / f"{name}.rows")
        self.name, self.saved = name, count
        self._new = []


class _OpenFile:
    """A file that is open for reading as long as this object.

    Attributes:
        number: its descriptor.
    """

    def __init__(self, path: Path) -> None:
        self.number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self.number)
