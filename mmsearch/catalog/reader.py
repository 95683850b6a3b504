"""Reading the catalog on plain ``sqlite3``: all that a query needs, and no more to import."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.catalog import fulltext
from mmsearch.catalog.failures import as_storage_error
from mmsearch.catalog.file import (
    FORMAT_VERSION,
    check_format,
    open_for_reading,
    require_catalog,
)
from mmsearch.catalog.paths import decode_path, encode_path, resolve_source, under
from mmsearch.catalog.place import CATALOG_NAME, identity_of
from mmsearch.catalog.records import (
    MEDIA_COLUMNS,
    STORED_DTYPE,
    ItemRecord,
    StoredEncoder,
    media_info,
)
from mmsearch.errors import StorageError
from mmsearch.items import Failure, Modality

_ITEM_COLUMNS = f"""
    item.id, item.asset_id, source.path, asset.path, item.modality, item.text,
    item.start, item.end, {", ".join(f"asset.{column}" for column in MEDIA_COLUMNS)}
"""


class CatalogReader:
    """A read-only view of a catalog; never waits for a writer and never blocks one.

    Methods called inside one `snapshot` see one generation, whatever is committed meanwhile.
    """

    def __init__(self, directory: Path) -> None:
        """Opens the catalog in an index directory.

        Raises:
            IndexNotFoundError: there is none.
            IndexFormatError: a newer mmsearch made it, or it is no catalog.
            IndexDamagedError: SQLite cannot read it.
            StorageError: the directory may not be looked into.
        """
        self._directory = directory
        self._roots: dict[str | bytes, Path] = {}  # of sources, as they are stored
        self._encoder: tuple[tuple[Any, ...], StoredEncoder] | None = None  # and its row
        require_catalog(directory)
        # Told before it is opened: one that is replaced just then is opened once more, later.
        self._identity = identity_of(directory)
        with self._reading_errors():
            self._connection = open_for_reading(directory / CATALOG_NAME)
        try:
            check_format(self._one("PRAGMA application_id"), self._one("PRAGMA user_version"))
        except StorageError:
            self._connection.close()
            raise

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Holds one generation still for the reads inside."""
        with self._reading_errors():
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("ROLLBACK")

    def is_replaced(self) -> bool:
        """Whether the catalog that is read is no longer the one at its path."""
        return identity_of(self._directory) != self._identity

    def is_older(self) -> bool:
        """Whether an older mmsearch made the catalog, which must be upgraded to be read."""
        return int(self._one("PRAGMA user_version")) < FORMAT_VERSION

    def generation(self) -> int:
        """Grows with every commit."""
        return int(self._one("SELECT generation FROM index_info"))

    def created_at(self) -> str:
        """When the catalog was made, to the microsecond: tells it from any other."""
        return str(self._one("SELECT created_at FROM index_info"))

    def encoder(self) -> StoredEncoder:
        """The encoder that made the searchable embeddings."""
        return self.state()[0]

    def state(self) -> tuple[StoredEncoder, str, int]:
        """`encoder`, `created_at` and `generation`, in one look: every query begins with them."""
        *row, created_at, generation = self._rows(
            """
            SELECT encoder_id, spec, name, revision, transform, dim, created_at, generation
            FROM encoder JOIN index_info ON index_info.active_encoder = encoder.id
            """
        )[0]
        stored = tuple(row)
        if self._encoder is None or self._encoder[0] != stored:
            identity, spec, name, revision, transform, dim = stored
            encoder = StoredEncoder(identity, spec, name, revision, json.loads(transform), dim)
            self._encoder = stored, encoder
        return self._encoder[1], str(created_at), int(generation)

    def background_id(self) -> str | None:
        """Names the set of texts that `background` is of; None where there is none."""
        rows = self._rows(
            """
            SELECT texts FROM background WHERE encoder_id =
                (SELECT active_encoder FROM index_info)
            """
        )
        return str(rows[0][0]) if rows else None

    def background(self) -> NDArray[np.float16] | None:
        """What the encoder makes of texts in general, float16, shape (texts, dim).

        None in an index that was made before these were kept and has not been updated since.
        """
        rows = self._rows(
            """
            SELECT vectors FROM background WHERE encoder_id =
                (SELECT active_encoder FROM index_info)
            """
        )
        if not rows:
            return None
        return np.frombuffer(rows[0][0], dtype=STORED_DTYPE).reshape(-1, self.encoder().dim)

    def embedded_ids(self) -> NDArray[np.int64]:
        """Ids of all searchable items in ascending order, int64, shape (n,)."""
        rows = self._rows(
            """
            SELECT item_id FROM embedding WHERE encoder_id =
                (SELECT active_encoder FROM index_info) ORDER BY item_id
            """
        )
        return np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))

    def count_embedded(self, *, up_to: int) -> int:
        """How many searchable items have this id or a lower one."""
        (row,) = self._rows(
            """
            SELECT count(*) FROM embedding WHERE encoder_id =
                (SELECT active_encoder FROM index_info) AND item_id <= ?
            """,
            (up_to,),
        )
        return int(row[0])

    def embeddings_after(
        self, item_id: int, *, chunk: int = 16384
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float16]]]:
        """Embeddings of the items with higher ids, ascending, in chunks.

        Yields:
            ids, int64, shape (n,), and vectors, float16, shape (n, dim).
        """
        cursor = self._connection.execute(
            """
            SELECT item_id, vector FROM embedding WHERE encoder_id =
                (SELECT active_encoder FROM index_info) AND item_id > ? ORDER BY item_id
            """,
            (item_id,),
        )
        while rows := cursor.fetchmany(chunk):
            ids = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
            vectors = np.frombuffer(b"".join(row[1] for row in rows), dtype=STORED_DTYPE)
            yield ids, vectors.reshape(len(rows), -1)

    def embeddings(
        self, ids: Sequence[int] | NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Embeddings of some items, in ascending order of their ids.

        Returns:
            ids, int64, shape (n,), of those that there are, each once, and vectors, float16,
            shape (n, dim).
        """
        rows = self._rows(
            """
            SELECT item_id, vector FROM embedding WHERE encoder_id =
                (SELECT active_encoder FROM index_info)
                AND item_id IN (SELECT value FROM json_each(?)) ORDER BY item_id
            """,
            (json.dumps(list(map(int, ids))),),
        )
        found = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
        vectors = np.frombuffer(b"".join(row[1] for row in rows), dtype=STORED_DTYPE)
        return found, vectors.reshape(len(rows), self.encoder().dim)

    def items(self, ids: Sequence[int]) -> dict[int, ItemRecord]:
        """The items with these ids, together with their assets."""
        rows = self._rows(
            f"""
            SELECT {_ITEM_COLUMNS} FROM item
            JOIN asset ON asset.id = item.asset_id
            JOIN source ON source.id = asset.source_id
            WHERE item.id IN (SELECT value FROM json_each(?))
            """,
            (json.dumps(list(ids)),),
        )
        return {row[0]: self._item(row) for row in rows}

    def sources(self) -> dict[int, Path]:
        """Absolute paths of the sources by their ids."""
        return {
            source: resolve_source(decode_path(stored), self._directory)
            for source, stored in self._rows("SELECT id, path FROM source ORDER BY id")
        }

    def caption_files(self) -> dict[int, Path]:
        """Absolute paths of the files that hold captions of many photos, by their ids."""
        return {
            file: resolve_source(decode_path(stored), self._directory)
            for file, stored in self._rows("SELECT id, path FROM caption_file ORDER BY id")
        }

    def items_of_file(self, source: int, path: str) -> list[int]:
        """Ids of the items of the asset at a path relative to its source, ascending."""
        rows = self._rows(
            """
            SELECT item.id FROM item JOIN asset ON asset.id = item.asset_id
            WHERE asset.source_id = ? AND asset.path = ? ORDER BY item.id
            """,
            (source, encode_path(path)),
        )
        return [row[0] for row in rows]

    def items_of_asset(self, asset: int) -> list[int]:
        """Ids of the items of an asset, ascending."""
        return [
            row[0]
            for row in self._rows("SELECT id FROM item WHERE asset_id = ? ORDER BY id", (asset,))
        ]

    def items_by_modality(self) -> dict[Modality, NDArray[np.int64]]:
        """Ids of all items by the modalities that occur, int64, ascending."""
        # One string for each: a hundred thousand rows would take three times as long.
        rows = self._rows("SELECT modality, group_concat(id) FROM item GROUP BY modality")
        return {
            Modality(modality): np.sort(np.fromstring(ids, dtype=np.int64, sep=","))
            for modality, ids in rows
        }

    def modalities(self) -> set[Modality]:
        """The modalities that occur; takes a few look-ups, however many items there are."""
        rows = self._rows(
            """
            WITH RECURSIVE next (modality) AS (
                SELECT min(modality) FROM item
                UNION ALL
                SELECT (SELECT min(modality) FROM item WHERE modality > next.modality) FROM next
                WHERE next.modality IS NOT NULL
            ) SELECT modality FROM next WHERE modality IS NOT NULL
            """
        )
        return {Modality(row[0]) for row in rows}

    def count_items_of(self, modalities: Sequence[Modality], *, limit: int) -> int:
        """How many items of some modalities there are; counts no further than ``limit``."""
        marks = ", ".join("?" * len(modalities))
        (row,) = self._rows(
            f"SELECT count(*) FROM (SELECT 1 FROM item WHERE modality IN ({marks}) LIMIT ?)",
            (*modalities, limit),
        )
        return int(row[0])

    def items_of(self, modalities: Sequence[Modality]) -> NDArray[np.int64]:
        """Ids of the items of some modalities, int64, ascending."""
        marks = ", ".join("?" * len(modalities))
        # One string: a row each would take several times as long.
        (row,) = self._rows(
            f"SELECT group_concat(id) FROM item WHERE modality IN ({marks})", tuple(modalities)
        )
        return np.sort(np.fromstring(row[0] or "", dtype=np.int64, sep=","))

    def count_matching_names(self, expression: str, *, limit: int) -> int:
        """In how many assets' names an FTS5 expression is found; counts no further than that."""
        with self._reading_errors():
            return fulltext.count_names(self._connection, expression, limit=limit)

    def count_names(self) -> int:
        """How many assets have a name: all, whether they could be read or not."""
        return int(self._one("SELECT count(*) FROM asset"))

    def items_with_text(self, expression: str, *, limit: int = -1) -> NDArray[np.int64]:
        """Ids of the items whose text matches an FTS5 expression, int64, ascending.

        No more than ``limit`` of them, where that is not negative.
        """
        with self._reading_errors():
            return fulltext.items_with_text(self._connection, expression, limit=limit)

    def items_with_name(self, expression: str) -> NDArray[np.int64]:
        """Ids of the items whose source, folders or file name match, int64, ascending."""
        with self._reading_errors():
            return fulltext.items_with_name(self._connection, expression)

    def has_assets_under(self, source: int, path: str) -> bool:
        """Whether any asset of a source is at this relative path or below."""
        sql, values = under(source, path)
        return bool(self._rows(f"SELECT 1 FROM asset WHERE {sql} LIMIT 1", values))

    def count_assets(self) -> int:
        """How many files are searchable."""
        return int(self._one("SELECT count(DISTINCT asset_id) FROM item"))

    def count_items(self) -> dict[Modality, int]:
        """How many items of each modality there are."""
        rows = self._rows("SELECT modality, count(*) FROM item GROUP BY modality ORDER BY modality")
        return {Modality(modality): count for modality, count in rows}

    def failures(self) -> list[Failure]:
        """The files that could not be read, by path."""
        rows = self._rows(
            """
            SELECT source.path, asset.path, failure FROM asset
            JOIN source ON source.id = asset.source_id WHERE failure IS NOT NULL
            ORDER BY source.id, asset.path
            """
        )
        return [Failure(self._path(source, path), reason) for source, path, reason in rows]

    def problems(self) -> list[str]:
        """What SQLite's own check and the foreign keys find wrong; empty when all is well."""
        found = [row[0] for row in self._rows("PRAGMA integrity_check") if row[0] != "ok"]
        for table, rowid, parent, _ in self._rows("PRAGMA foreign_key_check"):
            found.append(f"row {rowid} of {table} points to no {parent}")
        orphans = self._one(
            """
            SELECT count(*) FROM item WHERE id NOT IN (SELECT item_id FROM embedding
                WHERE encoder_id = (SELECT active_encoder FROM index_info))
            """
        )
        if orphans:
            found.append(f"{orphans} items have no embedding")
        return found

    def select(self, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
        """Rows of a query in SQL, for the modules of this package.

        Raises:
            IndexDamagedError: SQLite cannot read the catalog.
        """
        return self._rows(sql, values)

    def _item(self, row: tuple[Any, ...]) -> ItemRecord:
        item, asset, source, path, modality, text, start, end, *media = row
        return ItemRecord(
            id=item,
            asset_id=asset,
            path=self._path(source, path),
            modality=Modality(modality),
            text=text,
            start=start,
            end=end,
            info=media_info(media),
        )

    def _path(self, source: str | bytes, path: str | bytes) -> Path:
        root = self._roots.get(source)
        if root is None:
            root = self._roots[source] = resolve_source(decode_path(source), self._directory)
        return root / decode_path(path)

    def _one(self, sql: str) -> Any:
        return self._rows(sql)[0][0]

    def _rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
        with self._reading_errors():
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def _reading_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise as_storage_error(error, self._directory) from error
