"""How hits are put into words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.results.wording import excerpt

LONG = (
    "The cable car was closed because of the wind, so we walked. Four hours up, past cows with "
    "bells and one very polite mountain dog. Jana twisted her ankle on the scree and went down on "
    "a borrowed donkey."
)


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("the weather", "The cable car was closed because of the wind, so we …"),
        ("a twisted ANKLE", "…dog. Jana twisted her ankle on the scree and went d…"),
        ("dog -donkey", "…mountain dog. Jana twisted her ankle on the scree a…"),
        ("borrowed", "…down on a borrowed donkey."),
        ("of on a", "The cable car was closed because of the wind, so we …"),
    ],
)
def test_of_a_long_text_the_words_that_were_looked_for_are_shown(query: str, shown: str) -> None:
    assert excerpt(LONG, 53, query) == shown


def test_a_short_text_is_shown_whole() -> None:
    assert excerpt("Jana twisted\n her ankle", 53, "ankle") == "Jana twisted her ankle"


@given(st.text(), st.text(), st.integers(4, 60))
def test_it_is_a_part_of_the_text_and_not_too_long(text: str, query: str, length: int) -> None:
    shown = excerpt(text, length, query)
    assert len(shown) <= length
    assert shown.strip("…") in " ".join(text.split())
