from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.items import Modality
from mmsearch.media.speech.segments import Word, cut_sentences, spread, without_loops


def fits(text: str) -> bool:
    return len(text.split()) <= 20


def texts(words: list[Word]) -> list[str]:
    return [passage.text for passage in cut_sentences(words, fits)]


def test_each_sentence_is_a_passage_with_its_times():
    words = spread("The tide was low. We walked along the beach.", 10, 20)

    first, second = cut_sentences(words, fits)

    assert (first.text, second.text) == ("The tide was low.", "We walked along the beach.")
    assert first.modality is Modality.TRANSCRIPT
    assert first.start == pytest.approx(10, abs=0.3)
    assert first.end is not None
    assert second.start is not None
    assert first.end <= second.start < second.end == 20


@pytest.mark.parametrize(
    "sentence",
    [
        "Mr. Smith met Dr. J. R. Jones in St. Ives.",
        "It rose by 3.5 percent, e.g. in Wales.",
        "Pi is 3.14 and no more than that.",
    ],
)
def test_a_full_stop_within_a_sentence_does_not_end_it(sentence: str):
    assert texts(spread(sentence, 0, 5)) == [sentence]


def test_a_sentence_may_end_in_i():
    said = "He wants it and so do I. We shall see what happens."

    assert texts(spread(said, 0, 5)) == ["He wants it and so do I.", "We shall see what happens."]


def test_a_long_pause_ends_a_sentence():
    words = spread("so that was the first part", 0, 3) + spread("now comes the second part", 9, 12)

    assert texts(words) == ["so that was the first part", "now comes the second part"]


def test_a_very_short_sentence_joins_the_nearer_neighbour():
    words = [
        *spread("I never said anything like that.", 0, 3),
        *spread("Really?", 3.1, 3.5),
        *spread("You told everybody in the room.", 4.5, 7),
    ]

    assert texts(words) == [
        "I never said anything like that. Really?",
        "You told everybody in the room.",
    ]


def test_a_very_short_sentence_far_from_others_stays_alone():
    words = spread("Yes.", 0, 0.4) + spread("You told everybody in the room.", 30, 33)

    assert texts(words) == ["Yes.", "You told everybody in the room."]


def test_a_sentence_too_long_is_cut_behind_a_clause():
    first = "When the ship had left the harbour in the early hours of the morning,"
    second = "the whole town gathered at the pier to watch her go"

    assert texts(spread(f"{first} {second}", 0, 10)) == [first, second]


def test_a_sentence_too_long_is_cut_in_a_pause():
    first, second = " ".join(["one"] * 10), " ".join(["two"] * 14)

    assert texts(spread(first, 0, 4) + spread(second, 5, 9)) == [first, second]


def test_more_than_a_thought_is_cut_even_where_it_fits():
    passages = cut_sentences(spread("word " * 300, 0, 100), lambda text: True)

    assert len(passages) > 5


def test_scripts_without_spaces_are_cut_at_their_full_stops():
    first, second = "今日は天気がいいので公園を散歩しましょうか。" * 2, "犬が海岸を走っています。"
    words = spread(first + second, 0, 10)

    passages = cut_sentences(words, lambda text: len(text) <= 25)

    assert [passage.text for passage in passages][-1] == second
    assert all(len(passage.text) <= 25 for passage in passages)


def test_a_word_longer_than_the_tower_takes_is_cut():
    passages = cut_sentences(spread("x" * 100, 0, 10), lambda text: len(text) <= 30)

    assert "".join(passage.text for passage in passages) == "x" * 100
    assert all(len(passage.text) <= 30 for passage in passages)


@pytest.mark.parametrize("tag", ["[Music]", "[BLANK_AUDIO]", "(applause)", "♪", "[ Silence ]"])
def test_what_stands_for_sounds_is_left_out(tag: str):
    assert texts(spread(f"{tag} Good evening to you all. {tag}", 0, 4)) == [
        "Good evening to you all."
    ]
    assert texts(spread(tag, 0, 4)) == []


def test_what_a_bracket_says_in_words_stays():
    assert texts(spread("[A door slams in the hall]", 0, 2)) == ["[A door slams in the hall]"]


def test_a_phrase_that_whisper_is_stuck_on_is_said_once():
    words = spread("We begin. " + "Thank you very much. " * 9 + "No, no, no, it goes on.", 0, 60)

    assert "".join(word.text for word in without_loops(words)).strip() == (
        "We begin. Thank you very much. No, no, no, it goes on."
    )


def test_a_chorus_that_comes_back_is_no_loop():
    words = spread("Row the boat ashore. The river is deep and wide. " * 3, 0, 60)

    assert without_loops(words) == words


times = st.one_of(
    st.floats(0, 1000), st.just(math.nan), st.just(math.inf), st.floats(-10, 0), st.integers(0, 9)
)
spoken = st.builds(
    Word,
    st.text(st.characters(exclude_categories=("Cs",)), max_size=12).map(lambda text: f" {text}"),
    times,
    times,
)


@given(st.lists(spoken, max_size=60), st.integers(1, 40))
def test_whatever_is_said_comes_out_in_order_and_fits(words: list[Word], most: int):
    passages = cut_sentences(words, lambda text: len(text) <= most)

    last = 0.0
    for passage in passages:
        assert passage.text == passage.text.strip() != ""
        assert len(passage.text) <= most
        assert passage.start is not None
        assert passage.end is not None
        assert last <= passage.start <= passage.end < math.inf
        last = passage.end


@given(st.lists(st.text("abcé。.!?, 語", min_size=1, max_size=9), max_size=60), st.integers(1, 40))
def test_no_character_is_lost(parts: list[str], most: int):
    words = spread(" ".join(parts), 0, 60)

    said = "".join(passage.text for passage in cut_sentences(words, lambda text: len(text) <= most))

    assert "".join(said.split()) == "".join("".join(parts).split())


@given(st.text(max_size=80), st.floats(0, 100), st.floats(0, 100))
def test_spread_words_fill_their_time(text: str, start: float, length: float):
    words = spread(text, start, start + length)

    assert "".join(word.text for word in words).split() == text.split()
    for before, after in itertools.pairwise(words):
        assert before.end == pytest.approx(after.start)
    if words:
        assert words[0].start == pytest.approx(start)
        assert words[-1].end == pytest.approx(start + length)
