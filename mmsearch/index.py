"""One index, one directory: keeps the catalog and the vector store in step.

    catalog.sqlite    truth; the SQLite commit is the only commit point
    vectors/          cache of the embeddings; rebuilt or caught up whenever it is behind
    lock              held by the one writer

Readers never wait: a query during an indexing run sees the last commit.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmsearch.catalog.columns import Columns, Kept
from mmsearch.catalog.place import CATALOG_NAME
from mmsearch.catalog.reader import CatalogReader
from mmsearch.catalog.records import StoredEncoder
from mmsearch.cores import usable_cores
from mmsearch.errors import (
    IndexDamagedError,
    IndexExistsError,
    IndexFormatError,
    IndexLockedError,
    MmsearchError,
    StorageError,
)
from mmsearch.keeper import VectorKeeper
from mmsearch.lock import writer_lock
from mmsearch.places import Places
from mmsearch.vectors.base import Wish
from mmsearch.vectors.files import size_of
from mmsearch.vectors.stamp import Stamp

if TYPE_CHECKING:
    from mmsearch.catalog.catalog import Catalog
    from mmsearch.items import VectorStoreStatus
    from mmsearch.keeper import Progress
    from mmsearch.vectors.base import VectorStore

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The catalog and a vector store that agree: one generation of an index.

    What ``columns`` have read is kept from one snapshot to the next of the same generation.
    """

    reader: CatalogReader
    vectors: VectorStore
    encoder: StoredEncoder
    columns: Columns


class IndexDirectory:
    """An index on disk.

    Safe to use from several threads; as many searches run side by side as there are cores.
    """

    def __init__(self, path: Path) -> None:
        """Opens an existing index; one of an older format is upgraded first.

        Raises:
            IndexNotFoundError: there is none.
            IndexFormatError: a newer mmsearch made it, or it is no index.
            IndexDamagedError: its catalog cannot be read.
            StorageError: it must be upgraded, and cannot be written to.
        """
        self.path = path.absolute()
        reader = _opened(self.path)
        self._keeper = VectorKeeper(self.path)
        self._kept = Kept()
        self._kept_at: Stamp | None = None
        self._turn = threading.RLock()  # of what is kept for all searches
        self._searches = Places(max(2, usable_cores()))  # more would only hold up each other
        self._idle = deque((reader,))  # which nobody reads with now
        self._is_closed = False

    @classmethod
    def create(cls, path: Path, encoder: StoredEncoder) -> IndexDirectory:
        """Makes an empty index for the embeddings of one encoder.

        Raises:
            IndexExistsError: there is one already.
            StorageError: the directory cannot be made or written to.
        """
        path = path.absolute()
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{path} cannot be made: {error.strerror}.") from error
        from mmsearch.catalog.catalog import Catalog

        with writer_lock(path):
            if (path / CATALOG_NAME).exists():
                raise IndexExistsError(f"There is an index at {path} already; open it instead.")
            Catalog.create(path, encoder).close()
        return cls(path)

    def close(self) -> None:
        """Closes the catalog; the index cannot be used any more, but who reads may finish."""
        self._is_closed = True
        self._close_idle()
        with self._turn:
            self._keeper.forget()

    def _close_idle(self) -> None:
        while self._idle:
            with suppress(IndexError):  # another thread took it
                self._idle.pop().close()

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Holds the newest generation still: catalog and vectors agree inside.

        Raises:
            IndexDamagedError: the catalog cannot be read.
        """
        past: Stamp | None = None
        with self._searches.taken():
            while True:
                with self.reading() as reader:
                    encoder, stamp = _encoder_and_stamp(reader)
                    with self._turn:
                        if self._keeper.is_past(stamp) and stamp != past:
                            # Another search has begun after a commit that this one is before. If
                            # the next look shows no newer one, it is of a restored backup.
                            past = stamp
                            continue
                        vectors = self._keeper.store(stamp, encoder.dim, reader)
                        if self._kept_at != stamp:
                            self._kept, self._kept_at = Kept(), stamp
                        columns = Columns(reader, self._kept)
                    yield Snapshot(reader, vectors, encoder, columns)
                    return

    @contextmanager
    def reading(self) -> Iterator[CatalogReader]:
        """Holds the newest generation of the catalog still, without the vectors.

        Waits for nobody: each thread that reads has a connection of its own. An index that was
        made anew at this path since it was opened is read from then on.

        Raises:
            IndexNotFoundError: the index is no longer there.
            IndexFormatError, IndexDamagedError, StorageError: as when it is opened.
        """
        reader = self._idle_reader() or _opened(self.path)
        if self._is_closed:
            reader.close()  # and says so when it is read with
        try:
            with reader.snapshot():
                yield reader
        finally:
            self._idle.append(reader)
            if self._is_closed:
                self._close_idle()

    def _idle_reader(self) -> CatalogReader | None:
        """A reader of the catalog that is at the path now; None where none is idle."""
        while self._idle:
            with suppress(IndexError):  # another thread took it
                reader = self._idle.pop()
                if not reader.is_replaced():
                    return reader
                reader.close()
        return None

    @contextmanager
    def writing(self) -> Iterator[Catalog]:
        """Opens the catalog for writing, as the only writer; saves the vectors at the end.

        Where they have become so many that they are better arranged in another way, that is done
        then, while others go on searching.

        Raises:
            IndexNotFoundError: the index is no longer there.
            IndexLockedError: another process is writing.
            StorageError: the directory cannot be written to.
        """
        from mmsearch.catalog.catalog import Catalog

        with writer_lock(self.path):
            catalog = Catalog(self.path)
            try:
                with self.reading() as reader:
                    self._keeper.drop_ahead(reader.generation())
                yield catalog
            finally:
                catalog.close()
                self._if_possible(self._save_vectors)
            self._if_possible(self._arrange_vectors)

    def bytes(self) -> int:
        """Size of the index's own files, not of folders that lie in its directory."""
        names = (CATALOG_NAME, f"{CATALOG_NAME}-wal")
        files = (*(self.path / name for name in names), *self.path.glob("text-*/*"))
        return self._keeper.bytes() + size_of(files)

    def vectors_status(self) -> VectorStoreStatus | None:
        """How the saved vectors are arranged; None where none are saved."""
        from mmsearch.vectors.status import status_of

        with self.reading() as reader:
            encoder, stamp = _encoder_and_stamp(reader)
            saved = self._keeper.saved(stamp, encoder.dim)
        return None if saved is None else status_of(saved[0], bytes=self._keeper.bytes())

    def verify(self) -> list[str]:
        """Looks for damage; empty when all is well.

        Checks the catalog's pages and references, and that the saved vectors are those of the
        catalog or behind it.
        """
        with self.reading() as reader:
            found = reader.problems()
            encoder, stamp = _encoder_and_stamp(reader)
            if saved := self._keeper.saved(stamp, encoder.dim):
                vectors, saved_at = saved
                if saved_at > stamp.generation or (
                    saved_at == stamp.generation
                    and not vectors.agrees_with(reader.embeddings_after(0))
                ):
                    found.append("the vectors do not agree with the catalog")
        return found

    def repair(self) -> None:
        """Rebuilds the vector store from the catalog.

        Raises:
            IndexLockedError: another process is writing.
        """
        with writer_lock(self.path):
            with self._turn:
                self._keeper.forget(delete=True)
                self._save_vectors()
            self._arrange_vectors()

    def optimize(self, wish: Wish, progress: Progress | None = None) -> None:
        """Arranges the vectors anew, for a wish that is kept from now on; searches go on.

        Args:
            wish: what they are arranged for.
            progress: called with the vectors that are done and all of them, from the beginning
                again where a second attempt is needed.

        Raises:
            IndexLockedError: another process is writing.
            SettingsError: the wished memory is too little.
            StorageError: nothing can be written.
        """
        try:
            with writer_lock(self.path):
                self._save_vectors()
                self._arrange_vectors(wish, progress)
        except OSError as error:
            raise StorageError(
                f"The vectors of {self.path} cannot be written: {error.strerror or error}."
            ) from error

    def _if_possible(self, keep_vectors: Callable[[], None]) -> None:
        """The vectors are a cache: failing to save them must not fail, or hide, what was done."""
        try:
            keep_vectors()
        except (MmsearchError, OSError) as error:
            _log.warning("The vectors stay as they were saved last: %s", error)

    def _save_vectors(self) -> None:
        """Catches the vector store up and saves it; the caller holds the lock."""
        with self._turn, self.reading() as reader:
            encoder, stamp = _encoder_and_stamp(reader)
            self._keeper.save(stamp, encoder.dim, reader)

    def _arrange_vectors(self, wish: Wish | None = None, progress: Progress | None = None) -> None:
        """Arranges the saved vectors, if that is due or wished for; the caller holds the lock."""
        with self.reading() as reader:
            encoder, stamp = _encoder_and_stamp(reader)
            texts = reader.background()
        # Outside the turn: searches go on.
        store = self._keeper.arranged(
            stamp, encoder.dim, wish, texts, progress or _no_progress, anew=wish is not None
        )
        if store is not None:
            with self._turn, self.reading() as reader:
                _, stamp = _encoder_and_stamp(reader)
                self._keeper.adopt(store, stamp, reader)


def _opened(path: Path) -> CatalogReader:
    """Opens the catalog for reading; one of an older format is upgraded first."""
    reader = CatalogReader(path)
    if not reader.is_older():
        return reader
    reader.close()
    _upgrade(path)
    return CatalogReader(path)


def _encoder_and_stamp(reader: CatalogReader) -> tuple[StoredEncoder, Stamp]:
    """The encoder, and what vectors must agree with; inside a snapshot."""
    encoder, created_at, generation = reader.state()
    return encoder, Stamp(f"{created_at} {encoder.id}", generation)


def _no_progress(done: int, total: int) -> None:
    pass


def _upgrade(path: Path) -> None:
    """Brings the catalog to the current format."""
    from mmsearch.catalog.catalog import Catalog

    try:
        with writer_lock(path):
            Catalog(path).close()
    except (IndexLockedError, IndexFormatError, IndexDamagedError):
        raise
    except StorageError as error:
        raise StorageError(
            f"An older mmsearch made this index, and it must be upgraded once. {error} "
            "Upgrade it where it can be, or a copy of it."
        ) from error
