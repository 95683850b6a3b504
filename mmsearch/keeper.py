"""Keeps the vector store of an index in step with its catalog.

Item ids only grow and an item's embedding never changes (see `mmsearch.catalog.schema`), so a store
that is behind lacks exactly the items with higher ids than its own, and holds too many exactly
those that the catalog has no longer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmsearch.catalog.reader import CatalogReader
from mmsearch.errors import MmsearchError
from mmsearch.lock import writer_lock
from mmsearch.vectors.base import Wish
from mmsearch.vectors.files import size_of, state_of
from mmsearch.vectors.head import HEAD_NAME, Head
from mmsearch.vectors.stamp import Stamp, read_stamp
from mmsearch.vectors.store import Store

VECTORS_NAME = "vectors"

OLD_VECTORS_NAME = "vectors.faiss"
"""What earlier versions kept the vectors in; it is deleted when they are saved anew."""

_SPILL = 65_536  # vectors that wait in memory at most before they are written

_log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called with the vectors that are done, and all of them."""


class VectorKeeper:
    """Opens, catches up, saves and arranges the vector store of one index.

    Not safe to use from several threads at once, but for `arranged`. The stores that it gives
    are: one that has been given is never changed again.
    """

    def __init__(self, path: Path) -> None:
        """Keeps the vectors of the index at ``path``."""
        self.folder = path / VECTORS_NAME
        self._path = path
        self._store: Store | None = None
        self._at: Stamp | None = None  # what the store agrees with
        self._saved: Stamp | None = None  # what its files agree with
        self._tried: Stamp | None = None  # what could not be saved
        self._wish = Wish()  # of vectors that were deleted
        self._head = self.folder / HEAD_NAME
        self._head_state: tuple[int, ...] | None = None

    def is_past(self, stamp: Stamp) -> bool:
        """Whether the store at hand agrees with a later generation already."""
        at = self._at
        return at is not None and at.origin == stamp.origin and at.generation > stamp.generation

    def store(self, stamp: Stamp, dim: int, reader: CatalogReader) -> Store:
        """The store at the generation of the reader's snapshot.

        One that was behind is saved, so that the next reader need not catch it up again; not
        where a writer is at work (it saves at its end) or nothing can be written.
        """
        store = self._newest(stamp, dim)
        if stamp not in (self._saved, self._tried):
            self._tried = stamp
            try:
                with writer_lock(self._path):
                    if self._is_newest(stamp):
                        self.save(stamp, dim, reader)
            except (MmsearchError, OSError) as error:
                _log.debug("The vectors are not saved: %s", error)
            store = self._newest(stamp, dim)
        if self._at != stamp:
            store = store.copy()
            _catch_up(store, reader)
            self._store, self._at = store, stamp
        return store

    def save(self, stamp: Stamp, dim: int, reader: CatalogReader) -> None:
        """Catches the store up and saves it; the caller holds the lock and a snapshot.

        Raises:
            OSError: it could not be written.
        """
        store = self._newest(stamp, dim)
        if self._at == self._saved == stamp:
            return
        store = store.copy()
        if self._at != stamp:
            _catch_up(store, reader, spill=self.folder)
        self._store, self._at = store, stamp  # nobody searches in it before this call has ended
        if self._saved != stamp:
            self._replace(store, stamp)

    def saved(self, stamp: Stamp, dim: int) -> tuple[Store, int] | None:
        """The saved store, opened anew, and its generation; None where there is none to use."""
        return Store.load(self.folder, dim=dim, origin=stamp.origin)

    def arranged(
        self,
        stamp: Stamp,
        dim: int,
        wish: Wish | None,
        texts: NDArray[np.float16] | None,
        progress: Progress,
        *,
        anew: bool = False,
    ) -> Store | None:
        """The saved store, arranged as it should be; None where it is so already.

        Takes a minute for a million vectors. The caller holds the lock; searches may go on.

        Args:
            stamp: of the catalog.
            dim: length of the vectors.
            wish: what it is arranged for; None for what was wished for before.
            texts: embeddings of texts in general; see `mmsearch.vectors.arrange.arrange`.
            progress: called meanwhile.
            anew: arranges it in any case.

        Raises:
            SettingsError: the wished memory is too little.
            OSError: a file could not be written.
        """
        from mmsearch.vectors.arrange import arrange, is_due, wants_clusters

        saved = self.saved(stamp, dim)
        if saved is None:
            return None
        store, _ = saved
        wish = wish or store.wish
        if not (anew or is_due(store, wish)):
            return None
        if wants_clusters(store, wish):
            _log.warning("Arranging %d vectors, so that searches stay fast.", len(store.ids))
        return arrange(store, self.folder, wish, texts, progress, anew=anew)

    def adopt(self, store: Store, stamp: Stamp, reader: CatalogReader) -> None:
        """Puts an arranged store into force; the caller holds the lock and a snapshot.

        Raises:
            OSError: it could not be written; the old one stays.
        """
        _catch_up(store, reader, spill=self.folder)
        self._replace(store, stamp)
        self._store, self._at = store, stamp

    def drop_ahead(self, generation: int) -> None:
        """Deletes vectors from a future that a catalog restored from a backup never had.

        Once the catalog has grown past their generation, nothing would tell them apart.
        """
        saved = read_stamp(self._head)
        if saved is not None and saved.generation > generation:
            self._wish = self._wished()
            self._head.unlink()

    def forget(self, *, delete: bool = False) -> None:
        """Lets go of the store, and deletes what is saved where asked to."""
        if delete:
            self._wish = self._wished()
            self._head.unlink(missing_ok=True)
        self._store = self._at = self._saved = self._tried = self._head_state = None

    def bytes(self) -> int:
        """Size of the saved files."""
        return size_of((*self.folder.glob("*"), self._path / OLD_VECTORS_NAME))

    def _newest(self, stamp: Stamp, dim: int) -> Store:
        """The store that is at hand, or the saved one where that was replaced meanwhile.

        It may be behind the stamp, but is never ahead of it: only what is behind can catch up.
        """
        state = state_of(self._head)
        usable = (
            self._store is not None
            and self._at is not None
            and self._at.origin == stamp.origin
            and self._at.generation <= stamp.generation
        )
        if not usable or state != self._head_state:
            loaded = self.saved(stamp, dim)
            if loaded is not None and loaded[1] <= stamp.generation:
                self._store = loaded[0]
                self._at = self._saved = Stamp(stamp.origin, loaded[1])
            elif not usable:
                self._store = Store(dim)
                self._store.wish = self._wished()
                self._at = self._saved = Stamp(stamp.origin, 0)
            is_ahead = loaded is not None and loaded[1] > stamp.generation
            self._head_state = None if is_ahead else state  # it will do for a later snapshot
        assert self._store is not None
        return self._store

    def _is_newest(self, stamp: Stamp) -> bool:
        """Whether a snapshot shows the last commit; the caller holds the lock.

        Else what a writer has saved since must not be replaced by what is before it.
        """
        with closing(CatalogReader(self._path)) as reader, reader.snapshot():
            return reader.generation() == stamp.generation

    def _wished(self) -> Wish:
        """What was wished for, also where the vectors are not to be used."""
        head = Head.read(self.folder)
        return self._wish if head is None else head[0].wish

    def _replace(self, store: Store, stamp: Stamp) -> None:
        store.save(self.folder, generation=stamp.generation, origin=stamp.origin)
        self._saved, self._head_state = stamp, state_of(self._head)
        (self._path / OLD_VECTORS_NAME).unlink(missing_ok=True)


def _catch_up(store: Store, reader: CatalogReader, *, spill: Path | None = None) -> None:
    """Brings a store to the reader's generation.

    Args:
        store: behind it.
        reader: inside a snapshot.
        spill: where rows may be written meanwhile, so that they need not all be in memory.
    """
    newest = int(store.ids[-1]) if len(store.ids) else 0
    # Nothing was removed if there are as many: reading all ids would take far longer.
    if reader.count_embedded(up_to=newest) != len(store.ids):
        gone = np.setdiff1d(store.ids, reader.embedded_ids(), assume_unique=True)
        store.remove(gone)
    for ids, embeddings in reader.embeddings_after(newest):
        store.add(ids, embeddings)
        if spill is not None and store.rows.unsaved >= _SPILL:
            store.spill(spill)
