"""The indexes that agents may search, by their names."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from mmsearch.errors import IndexNotFoundError
from mmsearch.library import Index


@dataclass(frozen=True, slots=True)
class Shelf:
    """Indexes by their names, the default one first.

    Attributes:
        openers: give the open index of each name, or raise why it cannot be opened.
    """

    openers: Mapping[str, Callable[[], Index]]

    @classmethod
    def of(cls, indexes: Mapping[str, Index]) -> Shelf:
        """Indexes that are open already."""
        return cls({name: partial(_itself, index) for name, index in indexes.items()})

    @property
    def names(self) -> tuple[str, ...]:
        """All names, that of the default index first."""
        return tuple(self.openers)

    def get(self, name: str | None) -> tuple[str, Index]:
        """An index with its name; the default one for None.

        Raises:
            IndexNotFoundError: there is none of this name.
            StorageError: it cannot be opened.
        """
        found = self.names[0] if name is None else name
        if found not in self.openers:
            known = ", ".join(self.names)
            raise IndexNotFoundError(f"There is no index {found!r} here; known are {known}.")
        return found, self.openers[found]()


class OpenedOnce:
    """Opens an index when it is first asked for, and tries again after a failure.

    An agent starts its servers before anybody has indexed anything: it is told so when it asks,
    and once there is an index it is found without a restart.
    """

    def __init__(self, open_index: Callable[[], Index]) -> None:
        self._open = open_index
        self._opened: Index | None = None
        self._turn = threading.Lock()

    def __call__(self) -> Index:
        """The open index."""
        with self._turn:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def close(self) -> None:
        """Closes the index where it is open."""
        with self._turn:
            if self._opened is not None:
                self._opened.close()
                self._opened = None


def close_all(openers: Iterable[OpenedOnce]) -> None:
    """Closes those indexes that are open."""
    for opener in openers:
        opener.close()


def _itself(index: Index) -> Index:
    return index
