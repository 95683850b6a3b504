from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.media.passages import PASSAGE_SIZE, cut_passages


def everything(text: str) -> bool:
    return True


def up_to(words: int) -> Callable[[str], bool]:
    return lambda text: len(text.split()) <= words


def squeezed(text: str) -> str:
    return "".join(text.split())


texts = st.text(
    st.sampled_from('ab Z1é。，、！？.,;:!?…"”’()-—\n\t\r\u2028漢字かな한\u0301\u200d😀\ud800')
    | st.characters(),
    max_size=400,
)


@given(text=texts, limit=st.integers(1, 60))
def test_nothing_is_lost_and_everything_fits(text: str, limit: int) -> None:
    passages = cut_passages(text, lambda passage: len(passage) <= limit)
    assert squeezed("".join(passages)) == squeezed(text)
    for passage in passages:
        assert passage
        assert len(passage) <= limit or limit == 1
        assert passage == " ".join(passage.split())


@given(text=st.text(st.sampled_from("word. Word, \n漢字。"), max_size=3000))
def test_a_passage_has_a_sane_size_even_where_everything_fits(text: str) -> None:
    assert all(len(passage) <= 2 * PASSAGE_SIZE for passage in cut_passages(text, everything))


@given(text=texts)
def test_it_ends_where_nothing_fits(text: str) -> None:
    passages = cut_passages(text, lambda passage: False)
    assert squeezed("".join(passages)) == squeezed(text)


def test_a_short_text_costs_one_call() -> None:
    calls: list[str] = []

    def fits(text: str) -> bool:
        calls.append(text)
        return True

    assert cut_passages(" A dog.\n Two  cats. ", fits) == ["A dog. Two cats."]
    assert calls == ["A dog. Two cats."]


def test_paragraphs_are_never_joined() -> None:
    assert cut_passages("One.\r\n \r\nTwo.\n\n\nThree\nlines.", everything) == [
        "One.",
        "Two.",
        "Three lines.",
    ]


def test_sentences_of_a_paragraph_go_together_up_to_a_size() -> None:
    sentence = "The quick brown fox jumps over the lazy dog again and again."  # 60 characters
    passages = cut_passages(" ".join([sentence] * 20), everything)
    assert passages[0] == " ".join([sentence] * 6)
    assert "".join(passages).count("fox") == 20


@pytest.mark.parametrize(
    "sentences",
    [
        ["It rains.", "We stay!", "Why?", "Well…", "Because."],
        ["Mr. Smith met Dr. Jones and J. R. R. Tolkien.", "They spoke."],
        ["It costs 3.50 or 1,200.75 at example.com today.", "Buy."],
        ["See e.g. London, i.e. the U.S. Army, at 5 p.m. sharp.", "Go."],
        ["He waited ... and waited… for hours.", "Then he left."],
        ["“Stop!” he said.", "“Go on.”", "She went."],
        ['He asked "why?" and left.', "(She stayed.)", "Then rain."],
        ["1. Beat the eggs.", "2. Add milk."],
        ["See No. 5 and fig. 3 on p. 12.", "He said no.", "Then he left in 1999.", "Alone."],
        ["So do I.", "You too."],
        ["¿Qué?", "¡Nada!", "Él vino."],
        ["यह एक है।", "वह दो है।"],
        ["What?!", "Yes..."],
    ],
)
def test_sentence_limits(sentences: list[str]) -> None:
    assert cut_passages(" ".join(sentences), lambda text: text in sentences) == sentences


def test_sentence_limits_without_spaces() -> None:
    sentences = ["今日は晴れ。", "明日は雨！", "「はい。」", "と言った。"]
    assert cut_passages("".join(sentences), lambda text: text in sentences) == sentences


def test_a_sentence_that_does_not_fit_is_cut_at_clauses_then_at_words() -> None:
    text = "When it rains, as it often does here, we all stay at home and read; nobody minds."
    assert cut_passages(text, up_to(8)) == [
        "When it rains, as it often does here,",
        "we all stay at home and read;",
        "nobody minds.",
    ]
    assert cut_passages("one two three four five, six", up_to(2)) == [
        "one two",
        "three four",
        "five,",
        "six",
    ]


def test_accents_stay_with_their_letters() -> None:
    passages = cut_passages("e\u0301" * 5, lambda text: len(text) <= 3)
    assert passages == ["e\u0301"] * 5


def test_megabytes_without_a_limit_are_cut_too() -> None:
    for text in ("A" * 300_000, "." * 300_000, "word " * 60_000, "漢" * 100_000, "a." * 150_000):
        passages = cut_passages(text, everything)
        assert squeezed("".join(passages)) == squeezed(text)
        assert max(map(len, passages)) <= 2 * PASSAGE_SIZE
