"""Texts of searches that are asked at the same time are encoded as one batch."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mmsearch.encoders.base import Embeddings
from mmsearch.search.together import LARGEST, TextsTogether
from mmsearch.testing import TinyEncoder


class Slow(TinyEncoder):
    """Waits with its first batch until it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[str]] = []
        self.began = threading.Event()
        self.go_on = threading.Event()

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        self.batches.append(list(texts))
        self.began.set()
        assert self.go_on.wait(30)
        if "fails" in texts:
            raise RuntimeError("the encoder broke")
        return super().encode_texts(texts)


def ask(texts: Sequence[Sequence[str]]) -> tuple[Slow, list[Embeddings | BaseException]]:
    """What callers get whose texts come while the first one's are encoded."""
    encoder, together = Slow(), TextsTogether()
    with ThreadPoolExecutor(len(texts)) as pool:
        asked = [pool.submit(together.encode, encoder, texts[0])]
        assert encoder.began.wait(30)
        asked += [pool.submit(together.encode, encoder, one) for one in texts[1:]]
        while len(together._waiting) < len(texts) - 1:
            threading.Event().wait(0.005)
        encoder.go_on.set()
        return encoder, [one.exception(30) or one.result() for one in asked]


def test_what_comes_meanwhile_is_the_next_batch() -> None:
    texts = [["red"], ["blue"], ["green", "a dog"], ["snow"]]
    encoder, found = ask(texts)
    assert len(encoder.batches) == 2
    assert sorted(encoder.batches[1]) == ["a dog", "blue", "green", "snow"]
    for mine, embeddings in zip(texts, found, strict=True):
        np.testing.assert_array_equal(embeddings, TinyEncoder().encode_texts(mine))


def test_a_batch_does_not_grow_without_end() -> None:
    texts = [["first"], *[[f"text {number}"] * 10 for number in range(9)]]
    encoder, found = ask(texts)
    assert max(map(len, encoder.batches)) <= LARGEST
    assert [len(one) for one in found] == [1, *[10] * 9]


def test_a_failure_is_that_of_all_in_the_batch_and_of_no_later_one() -> None:
    encoder, found = ask([["first"], ["fails"], ["red"]])
    assert not isinstance(found[0], BaseException)
    assert all(isinstance(one, RuntimeError) for one in found[1:])
    together = TextsTogether()
    np.testing.assert_array_equal(
        together.encode(encoder, ["red"]), TinyEncoder().encode_texts(["red"])
    )


def test_searches_from_many_threads_find_what_lone_ones_find(photo_index) -> None:
    queries = [f"{colour} {thing}" for colour in ("red", "blue", "green") for thing in ("a", "b")]
    alone = {query: [hit.item for hit in photo_index.search(query)] for query in queries}
    sizes: list[int] = []
    photo_index.together.seen = sizes.append
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(photo_index.search, queries * 5))
    for query, hits in zip(queries * 5, found, strict=True):
        assert [hit.item for hit in hits] == alone[query]
    assert sum(sizes) == len(found)


@pytest.mark.parametrize("count", [0, 1])
def test_a_lone_caller_does_not_wait(count: int) -> None:
    encoder = TinyEncoder()
    assert TextsTogether().encode(encoder, ["red"] * count).shape == (count, encoder.dim)
