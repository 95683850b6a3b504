"""Embeddings of pictures on disk, so that a reranker need not look at a photo twice.

They are kept by the content of the file that the picture is in, whatever it is called and whichever
index it is in. A file's content is read again only where its size or its time of change
is another one. One SQLite database, ``rerank/embeddings.sqlite`` in the folder of caches; it
can be deleted at any time. Where it cannot be used, everything goes on without it.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import MediaError
from mmsearch.media.files import changed_ns, hash_file
from mmsearch.search.rerank.base import Candidate

LIMIT = 1 << 30
"""Bytes on disk beyond which the oldest embeddings are dropped."""

_DROPPED = 0.2  # the share of the embeddings that goes then
_PATIENCE = 2.0  # seconds to wait for another process that is writing
_SCHEMA = """
CREATE TABLE IF NOT EXISTS file (
    path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, content TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS embedding (
    number INTEGER PRIMARY KEY, model TEXT, content TEXT, dim INTEGER, vectors BLOB,
    UNIQUE (model, content)
);
"""
_STORED = np.dtype("<f2")
_Result = TypeVar("_Result")

State: TypeAlias = tuple[int, int]
"""Size of a file, and its time of change in nanoseconds."""

_log = logging.getLogger(__name__)


class EmbeddingCache:
    """What models made of pictures. Safe to use from several threads and processes.

    Args:
        folder: the folder of caches.
        limit: bytes on disk to keep below.
    """

    def __init__(self, folder: Path, *, limit: int = LIMIT) -> None:
        self._path = folder / "rerank" / "embeddings.sqlite"
        self._limit = limit

    def known_names(self, candidates: Sequence[Candidate]) -> list[str | None]:
        """Names of what candidates show; None where the file was not seen yet as it is now.

        No file is read: a long video takes seconds.
        """
        return _names(candidates, self._known(_states(candidates)))

    def names(self, candidates: Sequence[Candidate]) -> list[str | None]:
        """Names of what candidates show; None where there is no file, or it cannot be read."""
        return _names(candidates, self._contents(_states(candidates)))

    def get(self, model: str, names: Sequence[str], dim: int) -> dict[str, NDArray[np.float32]]:
        """What is kept of pictures, by their names: float32, shape (vectors, dim) each.

        What is damaged is left out.
        """

        def read(database: sqlite3.Connection) -> dict[str, NDArray[np.float32]]:
            sql = "SELECT vectors FROM embedding WHERE model = ? AND content = ? AND dim = ?"
            return {
                name: vectors
                for name in names
                for (data,) in database.execute(sql, (model, name, dim))
                if (vectors := _vectors(data, dim)) is not None
            }

        return self._use(read) or {}

    def put(self, model: str, embeddings: Mapping[str, NDArray[np.float32]]) -> None:
        """Keeps embeddings of pictures, shape (vectors, dim) each, rounded to float16."""
        rows = [
            (model, name, vectors.shape[-1], vectors.astype(_STORED).tobytes())
            for name, vectors in embeddings.items()
        ]

        def write(database: sqlite3.Connection) -> None:
            database.executemany(
                "INSERT OR REPLACE INTO embedding (model, content, dim, vectors) "
                "VALUES (?, ?, ?, ?)",
                rows,
            )
            self._drop_oldest(database)

        if rows:
            self._use(write)

    def _known(self, states: Mapping[Path, State]) -> dict[Path, str]:
        """Names of files' contents, of those that were seen in this state."""

        def read(database: sqlite3.Connection) -> dict[Path, str]:
            sql = "SELECT content FROM file WHERE path = ? AND size = ? AND mtime_ns = ?"
            return {
                path: content
                for path, state in states.items()
                for (content,) in database.execute(sql, (os.fsencode(path), *state))
            }

        return self._use(read) or {}

    def _contents(self, states: Mapping[Path, State]) -> dict[Path, str]:
        """Names of files' contents; those that cannot be read are left out."""
        known = self._known(states)
        new: dict[Path, str] = {}
        for path in states.keys() - known.keys():
            with suppress(MediaError):
                new[path] = hash_file(path)

        def write(database: sqlite3.Connection) -> None:
            database.executemany(
                "INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?)",
                [(os.fsencode(path), *states[path], content) for path, content in new.items()],
            )

        if new:
            self._use(write)
        return known | new

    def _drop_oldest(self, database: sqlite3.Connection) -> None:
        """Makes room for new embeddings in the database's file, which does not shrink."""
        pages, free, size = (
            database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        if (pages - free) * size > self._limit:
            (count,) = database.execute("SELECT count(*) FROM embedding").fetchone()
            database.execute(
                "DELETE FROM embedding WHERE number IN "
                "(SELECT number FROM embedding ORDER BY number LIMIT ?)",
                (max(1, int(count * _DROPPED)),),
            )
            database.execute(
                "DELETE FROM file WHERE content NOT IN "
                "(SELECT substr(content, 1, instr(content, '@') - 1) FROM embedding)"
            )

    def _use(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result | None:
        """Works on the database in one transaction; None where it cannot be used."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=_PATIENCE)) as database:
                database.executescript(_SCHEMA)
                with database:
                    return work(database)
        except (sqlite3.Error, OSError) as error:
            _log.info("Embeddings are not kept in %s: %s", self._path, error)
            if type(error) is sqlite3.DatabaseError:  # no database, or a damaged one
                with suppress(OSError):
                    self._path.unlink()  # the next one to use it begins anew
            return None


def _vectors(data: object, dim: int) -> NDArray[np.float32] | None:
    """Embeddings as they were kept, shape (vectors, dim); None where they are damaged."""
    if not isinstance(data, bytes) or not data or len(data) % (dim * _STORED.itemsize):
        return None
    vectors = np.frombuffer(data, _STORED).reshape(-1, dim).astype(np.float32)
    return vectors if np.isfinite(vectors).all() else None


def _names(candidates: Sequence[Candidate], contents: Mapping[Path, str]) -> list[str | None]:
    found = (None if one.path is None else contents.get(one.path) for one in candidates)
    return [
        None if content is None else f"{content}@{one.time:g}"
        for content, one in zip(found, candidates, strict=True)
    ]


def _states(candidates: Sequence[Candidate]) -> dict[Path, State]:
    """Of the candidates' files that are there."""
    paths = {one.path for one in candidates if one.path is not None}
    return {path: state for path in paths if (state := _state(path)) is not None}


def _state(path: Path) -> State | None:
    """Size and time of change of a file."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_size, changed_ns(found)
