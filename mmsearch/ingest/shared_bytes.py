"""Memory that two processes share, and that is gone when both are, however they end."""

from __future__ import annotations

import mmap
import os
import secrets
import sys
import tempfile
from types import TracebackType

_SMALLEST = 1 << 20


class SharedBytes:
    """Bytes that a process shares with a child.

    There is no name in a file system that a killed process could leave behind: on POSIX it is a
    file without a name, whose descriptor the child inherits; on Windows a mapping that the system
    drops with the last process that has it open.

    It only grows. One side calls `fit` before it writes, the other with the same number before it
    reads. Pages that nobody wrote to take no memory.

    Args:
        handle: of memory that the parent made; None makes some.
    """

    def __init__(self, handle: str | None = None) -> None:
        self.handle = _make() if handle is None else handle
        self._map: mmap.mmap | None = None

    @property
    def inherited(self) -> tuple[int, ...]:
        """The file descriptors that a child has to inherit."""
        return () if sys.platform == "win32" else (int(self.handle),)

    @property
    def size(self) -> int:
        """How many bytes there are by now."""
        return 0 if self._map is None else len(self._map)

    def fit(self, size: int) -> memoryview:
        """The memory, at least ``size`` bytes of it; release it before the next call."""
        if self._map is None or len(self._map) < size:
            capacity = max(_SMALLEST, 1 << (size - 1).bit_length())
            if self._map is not None:
                self._map.close()
            self._map = _map(self.handle, capacity)
        return memoryview(self._map)

    def close(self) -> None:
        """Gives the memory back, once the other process has done so too or ended."""
        if self._map is not None:
            self._map.close()
            self._map = None
        for descriptor in self.inherited:
            os.close(descriptor)

    def __enter__(self) -> SharedBytes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _make() -> str:
    if sys.platform == "win32":
        return f"mmsearch-{secrets.token_hex(16)}"
    if hasattr(os, "memfd_create"):  # Linux
        return str(os.memfd_create("mmsearch"))
    with tempfile.TemporaryFile() as file:
        return str(os.dup(file.fileno()))


def _map(handle: str, capacity: int) -> mmap.mmap:
    if sys.platform == "win32":
        # Whoever comes first makes it; a mapping cannot grow, so each size is one of its own.
        return mmap.mmap(-1, capacity, tagname=f"{handle}-{capacity}")
    descriptor = int(handle)
    if os.fstat(descriptor).st_size < capacity:
        os.ftruncate(descriptor, capacity)
    return mmap.mmap(descriptor, capacity)
