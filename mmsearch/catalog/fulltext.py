"""Full text over items and over file names, on SQLite's FTS5.

    item_words     the text of every item that has one; rowid is the item's id
    asset_words    name of the source and path inside it; rowid is the asset's id

Triggers keep both in step with every insert, update and delete, cascades included, inside the
writer's own transaction. `item_words` stores no second copy of the texts: its content is a view
of `item`, so FTS5 itself can rebuild it and check it. `asset_words` keeps its words, for a file's
words come from two tables, and the source's row is gone already when its assets are deleted.

Words are runs of letters and digits, compared without case and diacritics (``unicode61``).

`REPLACE` would delete rows past the triggers; the catalog never uses it.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TOKENIZER = "tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'"

# A path that is not UTF-8 is stored as a blob. A source that is a single file is its own asset.
_ASSET_WORDS = """
    CASE WHEN asset.path = '.' THEN CAST(source.name AS TEXT)
    ELSE CAST(source.name AS TEXT) || '/' || CAST(asset.path AS TEXT) END
"""

_FORGET_OLD_TEXT = """
    INSERT INTO item_words (item_words, rowid, text) VALUES ('delete', old.id, old.text)
"""

CREATE_STATEMENTS: tuple[str, ...] = (
    "CREATE VIEW item_text (id, text) AS SELECT id, text FROM item WHERE text IS NOT NULL",
    f"""
    CREATE VIRTUAL TABLE item_words USING fts5 (
        text, content = 'item_text', content_rowid = 'id', {_TOKENIZER}
    )
    """,
    f"CREATE VIRTUAL TABLE asset_words USING fts5 (words, {_TOKENIZER})",
    """
    CREATE TRIGGER item_words_insert AFTER INSERT ON item WHEN new.text IS NOT NULL BEGIN
        INSERT INTO item_words (rowid, text) VALUES (new.id, new.text);
    END
    """,
    f"""
    CREATE TRIGGER item_words_delete AFTER DELETE ON item WHEN old.text IS NOT NULL BEGIN
        {_FORGET_OLD_TEXT};
    END
    """,
    # Two triggers for an update: the text may appear, change or go.
    f"""
    CREATE TRIGGER item_words_update_old BEFORE UPDATE OF id, text ON item
    WHEN old.text IS NOT NULL BEGIN
        {_FORGET_OLD_TEXT};
    END
    """,
    """
    CREATE TRIGGER item_words_update_new AFTER UPDATE OF id, text ON item
    WHEN new.text IS NOT NULL BEGIN
        INSERT INTO item_words (rowid, text) VALUES (new.id, new.text);
    END
    """,
    f"""
    CREATE TRIGGER asset_words_insert AFTER INSERT ON asset BEGIN
        INSERT INTO asset_words (rowid, words)
        SELECT asset.id, {_ASSET_WORDS} FROM asset JOIN source ON source.id = asset.source_id
        WHERE asset.id = new.id;
    END
    """,
    """
    CREATE TRIGGER asset_words_delete AFTER DELETE ON asset BEGIN
        DELETE FROM asset_words WHERE rowid = old.id;
    END
    """,
    f"""
    CREATE TRIGGER asset_words_update AFTER UPDATE OF id, source_id, path ON asset BEGIN
        DELETE FROM asset_words WHERE rowid = old.id;
        INSERT INTO asset_words (rowid, words)
        SELECT asset.id, {_ASSET_WORDS} FROM asset JOIN source ON source.id = asset.source_id
        WHERE asset.id = new.id;
    END
    """,
    f"""
    CREATE TRIGGER asset_words_source AFTER UPDATE OF id, name ON source BEGIN
        DELETE FROM asset_words WHERE rowid IN (SELECT id FROM asset WHERE source_id = new.id);
        INSERT INTO asset_words (rowid, words)
        SELECT asset.id, {_ASSET_WORDS} FROM asset JOIN source ON source.id = asset.source_id
        WHERE source.id = new.id;
    END
    """,
)
"""Makes the tables and triggers in a catalog that has `source`, `asset` and `item` already."""

FILL_STATEMENTS: tuple[str, ...] = (
    "INSERT INTO item_words (item_words) VALUES ('rebuild')",
    f"""
    INSERT INTO asset_words (rowid, words)
    SELECT asset.id, {_ASSET_WORDS} FROM asset JOIN source ON source.id = asset.source_id
    """,
)
"""Fills the tables, once, from rows that were there before the triggers."""


def count_names(connection: sqlite3.Connection, expression: str, *, limit: int) -> int:
    """How many assets' names (source, folders, file) match; counts no further than ``limit``."""
    sql = "SELECT count(*) FROM (SELECT 1 FROM asset_words WHERE asset_words MATCH ? LIMIT ?)"
    return int(connection.execute(sql, (expression, limit)).fetchone()[0])


def items_with_text(
    connection: sqlite3.Connection, expression: str, *, limit: int = -1
) -> NDArray[np.int64]:
    """Ids of the items whose text matches an FTS5 expression, int64, ascending.

    No more than ``limit`` of them, where that is not negative.
    """
    sql = "SELECT rowid FROM item_words WHERE item_words MATCH ? LIMIT ?"
    return _ids(connection, sql, (expression, limit))


def items_with_name(connection: sqlite3.Connection, expression: str) -> NDArray[np.int64]:
    """Ids of the items whose asset's name matches an FTS5 expression, int64, ascending."""
    return _ids(
        connection,
        """
        SELECT item.id AS rowid FROM asset_words JOIN item ON item.asset_id = asset_words.rowid
        WHERE asset_words MATCH ?
        """,
        (expression,),
    )


def _ids(connection: sqlite3.Connection, sql: str, values: tuple[Any, ...]) -> NDArray[np.int64]:
    # One string: a row each would take several times as long.
    (joined,) = connection.execute(f"SELECT group_concat(rowid) FROM ({sql})", values).fetchone()
    return np.sort(np.fromstring(joined or "", dtype=np.int64, sep=","))
