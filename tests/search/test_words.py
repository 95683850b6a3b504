"""A query's text becomes words that full text can look up, whatever it is."""

from __future__ import annotations

import sqlite3
import unicodedata
from collections.abc import Sequence
from contextlib import closing
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.catalog.fulltext import CREATE_STATEMENTS
from mmsearch.search.words import MAX_WORDS, parse_words

TEXTS = ["ask what you can do", "Café Dürer", "東京タワーの夜", "NEAR the AND OR NOT column", "x y"]


def found(text: str, texts: Sequence[str] = TEXTS) -> tuple[set[int], set[int]]:
    """Which texts hold any free word of a query, and which all that it requires."""
    words = parse_words(text)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(
            "CREATE TABLE source (id, name); CREATE TABLE asset (id, source_id, path);"
            "CREATE TABLE item (id INTEGER PRIMARY KEY, text);"
        )
        for statement in CREATE_STATEMENTS:
            connection.execute(statement)
        connection.executemany("INSERT INTO item (text) VALUES (?)", [(one,) for one in texts])

        def matches(expression: str) -> set[int]:
            sql = "SELECT rowid - 1 FROM item_words WHERE item_words MATCH ?"
            return {row[0] for row in connection.execute(sql, (expression,))}

        free = set().union(*map(matches, words.free))
        required = set(range(len(TEXTS))).intersection(*map(matches, words.required))
    return free, required


@pytest.mark.parametrize(
    ("text", "free", "required"),
    [
        ("what", {0}, {0, 1, 2, 3, 4}),
        ("cafe durer", {1}, {0, 1, 2, 3, 4}),
        ("CAFE\u0301", {1}, {0, 1, 2, 3, 4}),
        ('"what you" zebra', set(), {0}),
        ('"you what"', set(), set()),
        ("“can do”", set(), {0}),
        ("„can do“ x", {4}, {0}),
        ("dür*", set(), {1}),
        ("colu* x", {4}, {3}),
        ("東京", {2}, {0, 1, 2, 3, 4}),
        ("dür*er", set(), {0, 1, 2, 3, 4}),
        ("NOT what", {0, 3}, {0, 1, 2, 3, 4}),
        ("text:what", {0}, {0, 1, 2, 3, 4}),
        ('say "hello', set(), {0, 1, 2, 3, 4}),
        ("^x - (y) {z}", {4}, {0, 1, 2, 3, 4}),
        ("x\0y", {4}, {0, 1, 2, 3, 4}),
    ],
)
def test_what_words_find(text: str, free: set[int], required: set[int]) -> None:
    assert found(text) == (free, required)


@pytest.mark.parametrize("name", ["가족사진", "ガラス", "йога", "Άννα", "été", "أحمد"])
@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_letters_are_found_however_their_marks_are_stored(
    name: str, stored: Literal["NFC", "NFD"], typed: Literal["NFC", "NFD"]
) -> None:
    """MacOS names files in NFD."""
    texts = [unicodedata.normalize(stored, f"{name}.jpg"), "other.jpg"]
    query = unicodedata.normalize(typed, name)
    assert found(query, texts)[0] == {0}
    for required in (f'"{query}"', f"{query[:2]}*"):
        assert found(required, texts)[1] == {0}


@given(
    st.text(max_size=60)
    | st.text(alphabet='"“”„«»*()^:-+{}\0 aA0é東\ud800😀', max_size=60)
    | st.lists(st.sampled_from(["NEAR", "AND", "OR", "NOT", '"', "*", "a", "(", ")", ","])).map(
        " ".join
    )
)
def test_any_text_is_looked_up_without_an_error(text: str) -> None:
    found(text)
    parse_words(text).plain.encode()


def test_the_text_tower_is_given_the_text_without_marks() -> None:
    assert parse_words('a "red kite" over  hill* 3*4').plain == "a red kite over hill 3*4"
    assert parse_words("what's up, C++?").plain == "what's up, C++?"


def test_a_pasted_page_is_cut() -> None:
    words = parse_words(" ".join(f"word{n}" for n in range(1000)))
    assert len(words.free) == MAX_WORDS


@pytest.mark.parametrize("mark", ['"', "“", "„", "«", "a*", "\u0301"])
def test_long_queries_take_linear_time(mark: str) -> None:
    """In quadratic time none of these would end."""
    assert len(parse_words(mark * 300_000 + " dog").free) <= MAX_WORDS
