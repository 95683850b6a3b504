"""How wide text is in a terminal."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmsearch.cli.width import width_of, wrapped


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("beach", 5),
        ("浜辺", 4),
        ("cafe\u0301", 4),
        ("ﾊﾏ", 2),
        ("한국", 4),
        ("a\u200db", 2),
        ("", 0),
    ],
)
def test_columns_of_a_text(text: str, columns: int) -> None:
    assert width_of(text) == columns


@example("\u0301 a浜", 2)
@given(st.text(st.sampled_from("ab 浜e\u0301 /."), max_size=60), st.integers(2, 20))
def test_lines_fit_and_nothing_but_blanks_is_lost(text: str, columns: int) -> None:
    lines = list(wrapped(text, columns))

    assert all(width_of(line) <= columns for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_lines_break_between_words() -> None:
    assert list(wrapped("the quick brown fox", 10)) == ["the quick", "brown fox"]
    assert list(wrapped("photos/holiday.jpg", 10)) == ["photos/hol", "iday.jpg"]
