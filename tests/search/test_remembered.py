"""Texts that were embedded lately are not embedded again, and never taken for another encoder's."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mmsearch
from mmsearch.encoders.base import Embeddings
from mmsearch.search import remembered
from mmsearch.search.together import TextsTogether
from mmsearch.testing import TinyEncoder


class Counting(TinyEncoder):
    """Keeps what it was asked to embed."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        self.asked += texts
        return super().encode_texts(texts)


@pytest.fixture
def encoder() -> Counting:
    return Counting()


def test_paging_and_filters_embed_a_query_once(
    index: mmsearch.Index, photos: Path, encoder: Counting
) -> None:
    index.add(photos)
    with mmsearch.open(index.path, encoder=encoder) as other:
        first = other.search("red", k=1)
        more = other.search("red", k=4, min_relevance=0)
        other.search("red type:image")
        other.search("red -blue")
    assert [hit.item for hit in first] == [hit.item for hit in more][:1]
    assert encoder.asked == ["red", "blue"]


lists = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=6), max_size=12)


@given(asked=lists, most=st.integers(1, 6))
def test_what_is_remembered_is_what_is_embedded(asked: list[list[str]], most: int) -> None:
    encoders, together = (Counting(), Counting()), TextsTogether()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remembered, "MOST", most)
        for number, texts in enumerate(asked):
            found = together.of(encoders[number // 3 % 2]).encode_texts(texts)
            np.testing.assert_array_equal(found, TinyEncoder().encode_texts(texts))
            assert len(together._remembered._rows) <= most


def test_the_texts_that_were_asked_for_last_are_kept(
    encoder: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "MOST", 2)
    together = TextsTogether()
    for text in ("red", "blue", "red", "green", "red", "blue"):
        together.of(encoder).encode_texts([text])
    assert encoder.asked == ["red", "blue", "green", "blue"]


def test_another_encoder_embeds_for_itself(encoder: Counting) -> None:
    together, other = TextsTogether(), Counting()
    for one in (encoder, other, encoder):
        together.of(one).encode_texts(["red"])
    assert (encoder.asked, other.asked) == (["red", "red"], ["red"])


def test_long_texts_are_not_kept(encoder: Counting) -> None:
    together, text = TextsTogether(), "r" * (remembered.LONGEST + 1)
    for _ in range(2):
        together.of(encoder).encode_texts([text])
    assert encoder.asked == [text, text]


def test_callers_cannot_change_what_is_remembered(encoder: Counting) -> None:
    together = TextsTogether()
    expected = encoder.encode_texts(["red"])
    for _ in range(2):
        found = together.of(encoder).encode_texts(["red"])
        np.testing.assert_array_equal(found, expected)
        found[:] = 0


def test_threads_do_not_disturb_each_other(encoder: Counting) -> None:
    together = TextsTogether()
    texts = [f"red {number}" for number in range(20)]
    expected = TinyEncoder().encode_texts(texts)
    with ThreadPoolExecutor(8) as pool:
        turns = [texts[number % 20 :] for number in range(200)]
        found = list(pool.map(together.of(encoder).encode_texts, turns))
    for number, rows in enumerate(found):
        np.testing.assert_array_equal(rows, expected[number % 20 :])
