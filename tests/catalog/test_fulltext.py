"""Full text stays in step with the tables, whatever is done to them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.catalog.fulltext import CREATE_STATEMENTS, FILL_STATEMENTS

_TABLES = """
    PRAGMA foreign_keys = ON;
    CREATE TABLE source (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE asset (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        source_id INTEGER NOT NULL REFERENCES source (id) ON DELETE CASCADE,
        path TEXT NOT NULL
    );
    CREATE TABLE item (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        asset_id INTEGER NOT NULL REFERENCES asset (id) ON DELETE CASCADE,
        text TEXT
    );
"""


def _catalog(*, words: bool = True) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.executescript(_TABLES)
    if words:
        _run(connection, CREATE_STATEMENTS)
    return connection


def _run(connection: sqlite3.Connection, statements: tuple[str, ...]) -> None:
    for statement in statements:
        connection.execute(statement)


@pytest.fixture
def catalog() -> Iterator[sqlite3.Connection]:
    with closing(_catalog()) as connection:
        yield connection


def _items(connection: sqlite3.Connection, expression: str) -> list[int]:
    sql = "SELECT rowid FROM item_words WHERE item_words MATCH ? ORDER BY rowid"
    return [row[0] for row in connection.execute(sql, (expression,))]


def _assets(connection: sqlite3.Connection, expression: str) -> list[int]:
    sql = "SELECT rowid FROM asset_words WHERE asset_words MATCH ? ORDER BY rowid"
    return [row[0] for row in connection.execute(sql, (expression,))]


def _add_asset(connection: sqlite3.Connection, path: str | bytes, source: int = 1) -> int:
    sql = "INSERT INTO asset (source_id, path) VALUES (?, ?)"
    return connection.execute(sql, (source, path)).lastrowid or 0


def _check(connection: sqlite3.Connection) -> None:
    """FTS5's own check of the words against the texts."""
    for table in ("item_words", "asset_words"):
        connection.execute(f"INSERT INTO {table} ({table}, rank) VALUES ('integrity-check', 1)")


_TEXTS = st.none() | st.text(max_size=12) | st.sampled_from(["a red kite", "Dürer", "東京タワー"])
_PATHS = st.sampled_from([".", "b.jpg", "a/B_1.jpg", b"caf\xe9/c.jpg", "düne.png"])
_ID = st.integers(1, 3)
_NAMES = st.sampled_from(["x", b"\xff"])
_CHANGES: dict[str, tuple[st.SearchStrategy[object], ...]] = {
    "INSERT INTO source (name) VALUES (?)": (_NAMES,),
    "UPDATE source SET name = ? WHERE id = ?": (_NAMES, _ID),
    "DELETE FROM source WHERE id = ?": (_ID,),
    "INSERT INTO asset (path, source_id) SELECT ?, id FROM source WHERE id = ?": (_PATHS, _ID),
    "UPDATE asset SET path = ? WHERE id = ?": (_PATHS, _ID),
    "UPDATE asset SET source_id = (SELECT max(id) FROM source) WHERE id = ?": (_ID,),
    "DELETE FROM asset WHERE id = ?": (_ID,),
    "INSERT INTO item (text, asset_id) SELECT ?, id FROM asset WHERE id = ?": (_TEXTS, _ID),
    "UPDATE item SET text = ? WHERE id = ?": (_TEXTS, _ID),
    "DELETE FROM item WHERE id = ?": (_ID,),
}
_OPERATIONS = st.lists(
    st.one_of([st.tuples(st.just(sql), *values) for sql, values in _CHANGES.items()]), max_size=40
)


@given(_OPERATIONS)
def test_words_follow_every_change(operations: list[tuple[object, ...]]) -> None:
    with closing(_catalog()) as changed, closing(_catalog(words=False)) as filled:
        for connection in (changed, filled):
            for sql, *values in operations:
                connection.execute(str(sql), values)
        _run(filled, CREATE_STATEMENTS + FILL_STATEMENTS)
        for connection in (changed, filled):
            _check(connection)
        for table, column in (("item_words", "text"), ("asset_words", "words")):
            rows = f"SELECT rowid, CAST({column} AS BLOB) FROM {table}"
            assert changed.execute(rows).fetchall() == filled.execute(rows).fetchall()
            match = f"SELECT rowid FROM {table} WHERE {table} MATCH ? ORDER BY rowid"
            for token in ("a*", "b*", "1", "x", "red", "durer", "dune", "jpg", '"東京"*'):
                found = changed.execute(match, (token,)).fetchall()
                assert found == filled.execute(match, (token,)).fetchall()


def test_a_check_notices_words_that_went_out_of_step(catalog: sqlite3.Connection) -> None:
    catalog.execute("INSERT INTO source (name) VALUES ('photos')")
    _add_asset(catalog, "a.jpg")
    catalog.execute("INSERT INTO item (asset_id, text) VALUES (1, 'a red kite')")
    catalog.execute("DROP TRIGGER item_words_update_old")
    catalog.execute("UPDATE item SET text = 'a blue boat'")
    with pytest.raises(sqlite3.DatabaseError):
        _check(catalog)


def test_folders_names_and_sources_are_words(catalog: sqlite3.Connection) -> None:
    catalog.execute("INSERT INTO source (name) VALUES ('Italy 2019')")
    photo = _add_asset(catalog, "Cefalù/IMG_2041.JPG")
    other = _add_asset(catalog, "rome/IMG_2042.JPG")
    assert _assets(catalog, "2041") == [photo]
    assert _assets(catalog, "cefalu") == [photo]
    assert _assets(catalog, "italy AND img") == [photo, other]
    assert _assets(catalog, '"2019 rome"') == [other]
    catalog.execute("UPDATE source SET name = 'Holidays'")
    assert _assets(catalog, "italy") == []
    assert _assets(catalog, "holidays") == [photo, other]


def test_a_source_that_is_one_file_has_its_own_name(catalog: sqlite3.Connection) -> None:
    catalog.execute("INSERT INTO source (name) VALUES ('interview.mp3')")
    asset = _add_asset(catalog, ".")
    assert _assets(catalog, "interview") == [asset]


def test_a_name_that_is_no_utf8_is_found_by_its_readable_words(catalog: sqlite3.Connection) -> None:
    catalog.execute("INSERT INTO source (name) VALUES ('photos')")
    asset = _add_asset(catalog, b"caf\xe9/garden.jpg")
    assert _assets(catalog, "garden") == [asset]


def test_texts_of_a_deleted_source_are_no_longer_found(catalog: sqlite3.Connection) -> None:
    catalog.execute("INSERT INTO source (name) VALUES ('photos')")
    _add_asset(catalog, "a.jpg")
    catalog.execute("INSERT INTO item (asset_id, text) VALUES (1, 'a red kite')")
    assert _items(catalog, "kite") == [1]
    catalog.execute("DELETE FROM source")
    assert _items(catalog, "kite") == []
    assert _assets(catalog, "photos") == []
    _check(catalog)
