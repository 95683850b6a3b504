"""Texts of searches that are asked at the same time are encoded as one batch."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import mmsearch
from mmsearch.encoders.base import Embeddings, Pixels
from mmsearch.search.together import LARGEST, TextsTogether
from mmsearch.testing import TinyEncoder
from tests.server.calls import BASE, calling


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
        assert self.go_on.wait(60)
        if "fails" in texts:
            raise RuntimeError("the encoder broke")
        return super().encode_texts(texts)


def ask(texts: Sequence[Sequence[str]]) -> tuple[Slow, list[Embeddings | BaseException]]:
    """What callers get whose texts come while the first one's are encoded."""
    encoder, together = Slow(), TextsTogether()
    with ThreadPoolExecutor(len(texts)) as pool:
        asked = [pool.submit(together.encode, encoder, texts[0])]
        assert encoder.began.wait(60)
        asked += [pool.submit(together.encode, encoder, one) for one in texts[1:]]
        while len(together._waiting) < len(texts) - 1:
            threading.Event().wait(0.005)
        encoder.go_on.set()
        return encoder, [one.exception(60) or one.result() for one in asked]


def test_what_comes_meanwhile_is_the_next_batch() -> None:
    texts = [["red"], ["blue"], ["green", "a dog"], ["snow"]]
    encoder, found = ask(texts)
    assert len(encoder.batches) == 2
    assert sorted(encoder.batches[1]) == ["a dog", "blue", "green", "snow"]
    for mine, embeddings in zip(texts, found, strict=True):
        np.testing.assert_array_equal(embeddings, TinyEncoder().encode_texts(mine))


class Alone(TinyEncoder):
    """Fails where two threads are in one of its towers."""

    def __init__(self) -> None:
        super().__init__()
        self._towers = {"texts": threading.Lock(), "images": threading.Lock()}

    @contextmanager
    def _in(self, tower: str) -> Iterator[None]:
        assert self._towers[tower].acquire(blocking=False), f"two threads embed {tower}"
        try:
            threading.Event().wait(0.002)
            yield
        finally:
            self._towers[tower].release()

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        with self._in("texts"):
            return super().encode_texts(texts)

    def encode_images(self, pixels: Pixels) -> Embeddings:
        with self._in("images"):
            return super().encode_images(pixels)


def test_requests_of_all_kinds_take_turns_with_the_encoder(
    photo_index: mmsearch.Index, photos: Path
) -> None:
    picture = base64.b64encode((photos / "red.png").read_bytes()).decode()
    data_url = f"data:image/png;base64,{picture}"
    model = photo_index.encoder_id
    asked: list[tuple[str, str, dict]] = [
        ("GET", f"{BASE}/search?q=red", {}),
        ("GET", f"{BASE}/items/1/explain?q=red+wall", {}),
        ("POST", f"{BASE}/search/upload", {"files": {"image": (photos / "red.png").read_bytes()}}),
        ("POST", "/knn-service", {"json": {"text": "red"}}),
        ("POST", "/knn-service", {"json": {"image": picture}}),
        ("POST", "/v1/embeddings", {"json": {"model": model, "input": ["red", data_url]}}),
        ("POST", "/v1/embeddings", {"json": {"model": model, "input": ["red"] * 70}}),
    ]
    with (
        mmsearch.open(photo_index.path, encoder=Alone()) as index,
        calling(index) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        answers = pool.map(lambda one: client.request(one[0], one[1], **one[2]), asked * 6)
        assert [answer.status_code for answer in answers] == [200] * len(asked) * 6


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
    with mmsearch.open(photo_index.path) as other:
        alone = {query: [hit.item for hit in other.search(query)] for query in queries}
    sizes: list[int] = []
    photo_index.together.seen = sizes.append
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(photo_index.search, queries * 5))
    for query, hits in zip(queries * 5, found, strict=True):
        assert [hit.item for hit in hits] == alone[query]
    assert len(queries) <= sum(sizes) <= len(found)


@pytest.mark.parametrize("count", [0, 1, LARGEST, LARGEST + 1, 3 * LARGEST])
def test_a_lone_caller_does_not_wait(count: int) -> None:
    encoder = TinyEncoder()
    texts = [f"red {number}" for number in range(count)]
    together, sizes = TextsTogether(), []
    together.seen = sizes.append
    np.testing.assert_array_equal(together.encode(encoder, texts), encoder.encode_texts(texts))
    assert (sum(sizes), max(sizes) <= LARGEST) == (count, True)
