"""The FAISS store: exact, ordered, and safe to lose."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmsearch.vectors.faiss import FaissStore
from mmsearch.vectors.stamp import read_stamp

DIM = 8


def unit_rows(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float16)


def store_of(vectors: np.ndarray, first: int = 1) -> FaissStore:
    store = FaissStore(DIM)
    store.add(np.arange(first, first + len(vectors), dtype=np.int64), vectors)
    return store


@given(
    count=st.integers(0, 60),
    removed=st.sets(st.integers(1, 60)),
    k=st.integers(1, 70),
    seed=st.integers(0, 1000),
    among=st.none() | st.sets(st.integers(1, 60)),
)
@settings(max_examples=60, deadline=None)
def test_agrees_with_brute_force(
    count: int, removed: set[int], k: int, seed: int, among: set[int] | None
) -> None:
    # Few distinct vectors, so that there are ties.
    vectors = np.repeat(unit_rows(count // 3 + 1, seed), 3, axis=0)[:count]
    store = store_of(vectors)
    store.remove(np.array(sorted(removed), dtype=np.int64))
    query = unit_rows(1, seed + 1)[0].astype(np.float32)

    kept = {i for i in range(1, count + 1) if i not in removed}
    chosen = None
    if among is not None:
        kept &= among
        chosen = np.array(sorted(kept), dtype=np.int64)
    exact = vectors.astype(np.float32) @ query
    expected = sorted(kept, key=lambda i: (-exact[i - 1], i))[:k]
    scores, ids = store.search(query, k, among=chosen)

    assert len(ids) == len(expected)
    np.testing.assert_allclose(scores, exact[np.array(expected, dtype=int) - 1], atol=1e-5)
    np.testing.assert_allclose(scores, exact[ids - 1], atol=1e-5)
    assert set(ids.tolist()) <= kept
    for first, second, a, b in zip(ids, ids[1:], scores, scores[1:], strict=False):
        assert a > b or (a == b and first < second)


def test_keeps_every_bit_of_float16() -> None:
    vectors = unit_rows(50)
    store = store_of(vectors)
    query = unit_rows(1, 9)[0].astype(np.float32)

    scores, ids = store.search(query, 50)

    exact = vectors.astype(np.float64) @ query.astype(np.float64)
    np.testing.assert_allclose(scores, exact[ids - 1], atol=1e-6)


def test_saved_and_loaded_it_gives_the_same_answers(tmp_path: Path) -> None:
    path = tmp_path / "vectors.faiss"
    store = store_of(unit_rows(40))
    store.remove(np.array([3, 4], dtype=np.int64))
    query = unit_rows(1, 5)[0].astype(np.float32)
    store.save(path, generation=7, origin="a@1")

    loaded, generation = FaissStore.load(path, dim=DIM, origin="a@1")

    assert generation == 7
    np.testing.assert_array_equal(loaded.ids, store.ids)
    for before, after in zip(store.search(query, 10), loaded.search(query, 10), strict=True):
        np.testing.assert_array_equal(before, after)
    loaded.add(np.array([99], dtype=np.int64), query[np.newaxis])
    assert loaded.search(query, 1)[1].tolist() == [99]


def test_the_file_is_a_plain_faiss_index(tmp_path: Path) -> None:
    path = tmp_path / "vectors.faiss"
    store_of(unit_rows(5)).save(path, generation=1, origin="a@1")

    assert faiss.read_index(str(path)).ntotal == 5


def test_a_file_of_another_origin_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "vectors.faiss"
    store_of(unit_rows(5)).save(path, generation=1, origin="a@1")

    assert FaissStore.load(path, dim=DIM, origin="b@1") is None
    assert FaissStore.load(path, dim=DIM + 1, origin="a@1") is None
    assert FaissStore.load(tmp_path / "absent", dim=DIM, origin="a@1") is None


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.99])
def test_a_file_cut_short_is_not_used(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "vectors.faiss"
    store_of(unit_rows(5)).save(path, generation=1, origin="a@1")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])

    assert FaissStore.load(path, dim=DIM, origin="a@1") is None


def test_a_garbled_file_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "vectors.faiss"
    store_of(unit_rows(5)).save(path, generation=1, origin="a@1")
    data = path.read_bytes()
    path.write_bytes(b"\x00" * 32 + data[32:])

    assert FaissStore.load(path, dim=DIM, origin="a@1") is None


def test_a_file_that_could_not_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "vectors.faiss").mkdir()
    with pytest.raises((IsADirectoryError, PermissionError)):
        store_of(unit_rows(5)).save(tmp_path / "vectors.faiss", generation=1, origin="a@1")

    assert not (tmp_path / "vectors.faiss.new").exists()


def test_the_saved_generation_is_told_without_loading(tmp_path: Path) -> None:
    path = tmp_path / "vectors.faiss"
    assert read_stamp(path) is None
    path.write_bytes(b"short")
    assert read_stamp(path) is None
    store_of(unit_rows(5)).save(path, generation=7, origin="a@1")
    saved = read_stamp(path)
    assert saved is not None
    assert saved.generation == 7
    assert saved.is_of("a@1")
    assert not saved.is_of("b@1")
