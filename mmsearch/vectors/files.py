"""Files of a vector store: written whole or not at all, memory-mapped where they are large."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

_ALIGNMENT = 64  # bytes: where arrays begin, for the processor's wide loads


def replace_file(path: Path, parts: Iterable[bytes]) -> None:
    """Writes a file beside, makes sure that it is on the disk, and renames it.

    Raises:
        OSError: it could not be written; what was there before is still there.
    """
    unfinished = path.with_name(path.name + ".new")
    try:
        with unfinished.open("wb") as file:
            file.writelines(parts)
            sync(file)
        unfinished.replace(path)
    finally:  # on a full disk the unfinished file would keep it full
        unfinished.unlink(missing_ok=True)


@contextmanager
def undone_on_failure(path: Path) -> Iterator[None]:
    """Leaves a file as long as it was, or absent, where writing at its end fails.

    What a full disk cut short would keep the disk full.
    """
    state = state_of(path)
    try:
        yield
    except BaseException:
        with suppress(OSError):
            if state is None:
                path.unlink(missing_ok=True)
            else:
                os.truncate(path, state[-1])
        raise


def sync(file: BinaryIO) -> None:
    """Makes sure that what was written is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def state_of(path: Path) -> tuple[int, ...] | None:
    """What tells a file from one that replaces it; None for none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def size_of(paths: Iterable[Path]) -> int:
    """Bytes of all files together; a writer may delete some of them meanwhile."""
    states = [state_of(path) for path in paths if path.is_file()]
    return sum(state[-1] for state in states if state is not None)


def map_array(
    path: Path, dtype: DTypeLike, shape: tuple[int, ...], *, offset: int = 0
) -> NDArray[Any]:
    """An array in a file, memory-mapped and read-only.

    Raises:
        OSError: the file is not there, or is too short.
    """
    if 0 in shape:
        return np.empty(shape, dtype)
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if path.stat().st_size < offset + size:
        raise OSError(f"{path} is too short.")
    # A plain array: every slice of a memmap object costs a microsecond more.
    return np.asarray(np.memmap(path, dtype, "r", offset, shape))


class ArraysFile:
    """Arrays in one file: a magic number, a JSON header, and each array where the header says."""

    def __init__(self, path: Path, magic: bytes) -> None:
        """Reads the header.

        Raises:
            OSError: the file is not there, cut short, or of another kind.
        """
        self.path = path
        with path.open("rb") as file:
            if file.read(len(magic)) != magic:
                raise OSError(f"{path} is of another kind.")
            length = int.from_bytes(file.read(8), "little")
            try:
                self.header: dict[str, Any] = json.loads(file.read(min(length, 1 << 20)))
            except ValueError as error:
                raise OSError(f"{path} has no header.") from error

    def map(self, name: str) -> NDArray[Any]:
        """An array, memory-mapped and read-only."""
        dtype, shape, offset = self.header["arrays"][name]
        return map_array(self.path, dtype, tuple(shape), offset=offset)

    @staticmethod
    def layout(
        magic: bytes, facts: Mapping[str, Any], arrays: Mapping[str, tuple[str, tuple[int, ...]]]
    ) -> tuple[bytes, dict[str, int]]:
        """The beginning of a file, and where each array goes.

        Args:
            magic: names the kind of file.
            facts: what else the header says.
            arrays: their dtypes and shapes, in the order that they are written in.
        """
        room = 256 + 128 * len(arrays) + len(json.dumps(facts))
        offsets: dict[str, int] = {}
        at = _aligned(len(magic) + 8 + room)
        for name, (dtype, shape) in arrays.items():
            offsets[name] = at
            at = _aligned(at + int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize)
        told = {name: (*arrays[name], offsets[name]) for name in arrays}
        header = json.dumps({**facts, "arrays": told}).encode().ljust(room)
        return magic + len(header).to_bytes(8, "little") + header, offsets


def _aligned(at: int) -> int:
    return -(-at // _ALIGNMENT) * _ALIGNMENT
