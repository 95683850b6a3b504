"""One index, one directory: keeps the catalog and the vector store in step.

    catalog.sqlite    truth; the SQLite commit is the only commit point
    vectors.faiss     cache of the embeddings; rebuilt or caught up whenever it is behind
    lock              held by the one writer

Readers never wait: a query during an indexing run sees the last commit.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.catalog.columns import Columns
from mmsearch.catalog.reader import CATALOG_NAME, CatalogReader
from mmsearch.catalog.records import StoredEncoder
from mmsearch.errors import (
    IndexDamagedError,
    IndexExistsError,
    IndexFormatError,
    IndexLockedError,
    IndexNotFoundError,
    StorageError,
)
from mmsearch.vectors.stamp import Stamp, read_stamp

if TYPE_CHECKING:
    from mmsearch.catalog.catalog import Catalog
    from mmsearch.vectors.base import VectorStore

VECTORS_NAME = "vectors.faiss"
LOCK_NAME = "lock"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The catalog and a vector store that agree: one generation of an index.

    ``columns`` are kept from one snapshot to the next of the same generation.
    """

    reader: CatalogReader
    vectors: VectorStore
    encoder: StoredEncoder
    columns: Columns


class IndexDirectory:
    """An index on disk.

    Safe to use from several threads; searches take turns.
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
        self._reader = CatalogReader(self.path)
        if self._reader.is_older():
            self._reader.close()
            _upgrade(self.path)
            self._reader = CatalogReader(self.path)
        self._vectors: VectorStore | None = None
        self._vectors_at: Stamp | None = None
        self._saved_at: Stamp | None = None
        self._columns = Columns(self._reader)
        self._columns_at: Stamp | None = None
        self._turn = threading.RLock()

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

        with _lock(path):
            if (path / CATALOG_NAME).exists():
                raise IndexExistsError(f"There is an index at {path} already; open it instead.")
            Catalog.create(path, encoder).close()
        return cls(path)

    def close(self) -> None:
        """Closes the catalog; the index cannot be used any more."""
        with self._turn:
            self._reader.close()
            self._vectors = None

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Holds the newest generation still: catalog and vectors agree inside.

        Raises:
            IndexDamagedError: the catalog cannot be read.
        """
        with self._turn, self._reader.snapshot():
            encoder, stamp = self._encoder_and_stamp()
            vectors = self._vectors_at_stamp(stamp, encoder.dim)
            if self._saved_at != stamp:
                self._try_to_save(vectors, stamp)
            if self._columns_at != stamp:
                self._columns, self._columns_at = Columns(self._reader), stamp
            yield Snapshot(self._reader, vectors, encoder, self._columns)

    @contextmanager
    def reading(self) -> Iterator[CatalogReader]:
        """Holds the newest generation of the catalog still, without the vectors."""
        with self._turn, self._reader.snapshot():
            yield self._reader

    @contextmanager
    def writing(self) -> Iterator[Catalog]:
        """Opens the catalog for writing, as the only writer; saves the vectors at the end.

        Raises:
            IndexNotFoundError: the index is no longer there.
            IndexLockedError: another process is writing.
            StorageError: the directory cannot be written to.
        """
        from mmsearch.catalog.catalog import Catalog

        with _lock(self.path):
            catalog = Catalog(self.path)
            try:
                self._drop_vectors_ahead()
                yield catalog
            finally:
                catalog.close()
                self._save_vectors_if_possible()

    def bytes(self) -> int:
        """Size of the index's own files, not of folders that lie in its directory."""
        names = (CATALOG_NAME, f"{CATALOG_NAME}-wal", VECTORS_NAME)
        files = (self.path / name for name in names)
        return sum(file.stat().st_size for file in files if file.is_file())

    def verify(self) -> list[str]:
        """Looks for damage; empty when all is well.

        Checks the catalog's pages and references, and that the saved vectors are those of the
        catalog or behind it.
        """
        with self.reading() as reader:
            found = reader.problems()
            encoder, stamp = self._encoder_and_stamp()
            if loaded := self._load(stamp.origin, encoder.dim):
                vectors, saved_at = loaded
                differ = not np.array_equal(vectors.ids, reader.embedded_ids())
                if saved_at > stamp.generation or (saved_at == stamp.generation and differ):
                    found.append("vectors.faiss does not agree with the catalog")
        return found

    def repair(self) -> None:
        """Rebuilds the vector store from the catalog.

        Raises:
            IndexLockedError: another process is writing.
        """
        with self._turn, _lock(self.path):
            (self.path / VECTORS_NAME).unlink(missing_ok=True)
            self._vectors = self._vectors_at = self._saved_at = None
            self._save_vectors()

    def _encoder_and_stamp(self) -> tuple[StoredEncoder, Stamp]:
        """The encoder, and what vectors must agree with; inside a snapshot."""
        encoder = self._reader.encoder()
        origin = f"{self._reader.created_at()} {encoder.id}"
        return encoder, Stamp(origin, self._reader.generation())

    def _vectors_at_stamp(self, stamp: Stamp, dim: int) -> VectorStore:
        """The vector store at a generation, caught up from the catalog where it is behind."""
        if (
            self._vectors is None
            or self._vectors_at is None
            or self._vectors_at.origin != stamp.origin
            or self._vectors_at.generation > stamp.generation
        ):
            loaded = self._load(stamp.origin, dim)
            if loaded is None or loaded[1] > stamp.generation:  # only one behind can catch up
                loaded = (_empty_store(dim), 0)
            self._vectors, generation = loaded
            self._vectors_at = self._saved_at = Stamp(stamp.origin, generation)
        if self._vectors_at != stamp:
            _catch_up(self._vectors, self._reader)
            self._vectors_at = stamp
        return self._vectors

    def _load(self, origin: str, dim: int) -> tuple[VectorStore, int] | None:
        from mmsearch.vectors.faiss import FaissStore

        return FaissStore.load(self.path / VECTORS_NAME, dim=dim, origin=origin)

    def _drop_vectors_ahead(self) -> None:
        """Deletes vectors from a future that a catalog restored from a backup never had.

        Once the catalog has grown past their generation, nothing would tell them apart.
        """
        path = self.path / VECTORS_NAME
        saved = read_stamp(path)
        with self.reading() as reader:
            if saved is not None and saved.generation > reader.generation():
                path.unlink()

    def _try_to_save(self, vectors: VectorStore, stamp: Stamp) -> None:
        """Saves what was caught up, so that the next reader need not do it again.

        Left alone where a writer is at work (it saves at its end) or nothing can be written.
        """
        try:
            with _lock(self.path):
                self._save(vectors, stamp)
        except (StorageError, OSError) as error:
            _log.debug("vectors.faiss is not saved: %s", error)

    def _save_vectors_if_possible(self) -> None:
        """The vectors are a cache: failing to save them must not fail, or hide, what was done."""
        try:
            self._save_vectors()
        except (StorageError, OSError) as error:
            _log.warning(
                "vectors.faiss could not be saved (%s); it is rebuilt when it can be.", error
            )

    def _save_vectors(self) -> None:
        """Catches the vector store up and saves it; the caller holds the lock."""
        with self._turn, self._reader.snapshot():
            encoder, stamp = self._encoder_and_stamp()
            saved = read_stamp(self.path / VECTORS_NAME)
            if saved and saved.is_of(stamp.origin) and saved.generation == stamp.generation:
                return  # nothing was committed: the vectors need not even be read
            self._save(self._vectors_at_stamp(stamp, encoder.dim), stamp)

    def _save(self, vectors: VectorStore, stamp: Stamp) -> None:
        vectors.save(self.path / VECTORS_NAME, generation=stamp.generation, origin=stamp.origin)
        self._saved_at = stamp


def _upgrade(path: Path) -> None:
    """Brings the catalog to the current format."""
    from mmsearch.catalog.catalog import Catalog

    try:
        with _lock(path):
            Catalog(path).close()
    except (IndexLockedError, IndexFormatError, IndexDamagedError):
        raise
    except StorageError as error:
        raise StorageError(
            f"An older mmsearch made this index, and it must be upgraded once. {error} "
            "Upgrade it where it can be, or a copy of it."
        ) from error


def _empty_store(dim: int) -> VectorStore:
    from mmsearch.vectors.faiss import FaissStore

    return FaissStore(dim)


def _catch_up(vectors: VectorStore, reader: CatalogReader) -> None:
    """Brings a store to the reader's generation: see `mmsearch.catalog.schema` on item ids."""
    gone = np.setdiff1d(vectors.ids, reader.embedded_ids(), assume_unique=True)
    if len(gone):
        vectors.remove(gone)
    newest = int(vectors.ids[-1]) if len(vectors.ids) else 0
    for ids, embeddings in reader.embeddings_after(newest):
        vectors.add(ids, embeddings)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Holds the writer's lock; the system releases it when the process ends, however it ends."""
    from filelock import FileLock, Timeout

    if not path.is_dir():  # a lock would make it
        raise IndexNotFoundError(f"There is no index at {path} any more.")
    lock = FileLock(path / LOCK_NAME, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise IndexLockedError(
            f"Another process is writing to the index {path}; try again when it is done."
        ) from error
    except OSError as error:
        raise StorageError(f"The index {path} cannot be written to: {error.strerror}.") from error
    try:
        yield
    finally:
        lock.release()
