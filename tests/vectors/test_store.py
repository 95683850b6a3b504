"""The vector store, exact and in clusters: right, ordered, and safe to lose."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmsearch.vectors import arrange as arranging
from mmsearch.vectors.arrange import arrange, is_due
from mmsearch.vectors.base import Wish
from mmsearch.vectors.head import HEAD_NAME
from mmsearch.vectors.stamp import read_stamp
from mmsearch.vectors.store import Store

DIM = 8
HELD = 60
ORIGIN = "a@1"


def unit_rows(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float16)


def store_of(vectors: np.ndarray, first: int = 1) -> Store:
    store = Store(DIM)
    store.add(np.arange(first, first + len(vectors), dtype=np.int64), vectors)
    return store


def saved(store: Store, folder: Path, generation: int = 1) -> Store:
    store.save(folder, generation=generation, origin=ORIGIN)
    loaded = Store.load(folder, dim=DIM, origin=ORIGIN)
    assert loaded is not None
    return loaded[0]


def clustered(store: Store, folder: Path, wish: Wish | None = None) -> Store:
    """The same in clusters, however small."""
    wish = wish or Wish(0.999)
    return arrange(saved(store, folder), folder, wish, None, lambda done, total: None)


@pytest.fixture(params=["exact", "mapped", "read", "ivf"])
def make(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
):
    """Makes a store of each kind from vectors; its ids begin at 1."""
    monkeypatch.setattr(arranging, "EXACT", 0)
    monkeypatch.setattr("mmsearch.vectors.store.FEW", 2)
    if request.param == "read":  # row by row, as those of large files
        monkeypatch.setattr("mmsearch.vectors.rows._MAPPED", 0)

    def made(vectors: np.ndarray) -> Store:
        store = store_of(vectors)
        if request.param == "exact" or len(vectors) < 12:
            return store
        folder = tmp_path_factory.mktemp("store")
        if request.param in ("mapped", "read"):
            return saved(store, folder)
        # The last few come after the clusters were made.
        early = clustered(store_of(vectors[:-3]), folder)
        assert early.clusters is not None
        early.add(np.arange(len(vectors) - 2, len(vectors) + 1), vectors[-3:])
        return early

    return made


@given(
    count=st.integers(0, HELD),
    removed=st.sets(st.integers(1, HELD)),
    k=st.integers(1, HELD + 10),
    seed=st.integers(0, 1000),
    among=st.none() | st.sets(st.integers(1, HELD)),
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_agrees_with_brute_force(
    make, count: int, removed: set[int], k: int, seed: int, among: set[int] | None
) -> None:
    # Few distinct vectors, so that there are ties.
    vectors = np.repeat(unit_rows(count // 3 + 1, seed), 3, axis=0)[:count]
    store = make(vectors)
    store.remove(np.array(sorted(removed), dtype=np.int64))
    query = unit_rows(1, seed + 1)[0].astype(np.float32)

    kept = {i for i in range(1, count + 1) if i not in removed}
    assert store.ids.tolist() == sorted(kept)
    chosen = None
    if among is not None:
        chosen = np.array(sorted(among), dtype=np.int64)  # also such as are not held
        kept &= among
    exact = vectors.astype(np.float64) @ query
    expected = sorted(kept, key=lambda i: (-exact[i - 1], i))[:k]
    for _ in range(2):  # the second time from what it remembers
        scores, ids = store.search(query, k, among=chosen)
        np.testing.assert_allclose(scores, exact[np.array(expected, dtype=int) - 1], atol=1e-5)
        assert ids.tolist() == sorted(ids.tolist(), key=lambda i: (-scores[ids == i][0], i))
        # Of equal vectors those with lower ids come first, also where the last of them are cut.
        assert [round(exact[i - 1], 6) for i in ids] == [round(exact[i - 1], 6) for i in expected]
        assert ids.tolist() == expected


@pytest.fixture(params=["exact", "ivf"])
def large(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """3,000 vectors in 30 groups."""
    monkeypatch.setattr(arranging, "EXACT", 0)
    monkeypatch.setattr("mmsearch.vectors.store.FEW", 50)
    middles = np.repeat(unit_rows(30, 3).astype(np.float32), 100, axis=0)
    vectors = middles + 0.2 * unit_rows(3000, 4)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    store = store_of(vectors.astype(np.float16))
    return store if request.param == "exact" else clustered(store, tmp_path, Wish(0.95))


def exact_ids(store: Store, query: np.ndarray, k: int, among: np.ndarray) -> set[int]:
    plain = Store(DIM)
    held = np.isin(store.rows.ids, store.ids)
    plain.add(store.ids, store.rows.take(np.flatnonzero(held)))
    return set(plain.search(query, k, among=among)[1].tolist())


def recall(store: Store, among: np.ndarray | None = None) -> float:
    candidates = store.ids if among is None else among
    shares = []
    for query in unit_rows(40, 9).astype(np.float32):
        found = set(store.search(query, 10, among=among)[1].tolist())
        assert len(found) == min(10, len(np.intersect1d(candidates, store.ids)))
        expected = exact_ids(store, query, 10, candidates)
        shares.append(len(found & expected) / max(1, len(expected)))
    return float(np.mean(shares))


@pytest.mark.parametrize("every", [1, 2, 7, 40, 400])
def test_among_few_vectors_no_fewer_are_found(large: Store, every: int) -> None:
    assert recall(large, large.ids[::every]) >= 0.95


def test_among_those_of_one_group_far_from_the_query_they_are_found(large: Store) -> None:
    group = np.arange(1, 101)
    query = -large.rows.take(np.array([50]))[0].astype(np.float32)

    _, ids = large.search(query, 10, among=group)

    assert set(ids.tolist()) == exact_ids(large, query, 10, group)


def test_after_removing_most_vectors_the_others_are_found(large: Store) -> None:
    large.remove(np.setdiff1d(large.ids, large.ids[::9]))

    assert recall(large) >= 0.95


def test_asked_for_all_it_gives_all(large: Store) -> None:
    scores, ids = large.search(unit_rows(1, 9)[0].astype(np.float32), 5000)

    assert sorted(ids.tolist()) == large.ids.tolist()
    assert (np.diff(scores) <= 0).all()


def test_scores_do_not_depend_on_the_arrangement(tmp_path: Path, large: Store) -> None:
    query = unit_rows(1, 9)[0].astype(np.float32)
    scores, ids = large.search(query, 10)

    places = np.searchsorted(large.ids, ids)
    alone = Store(DIM)
    alone.add(ids[np.argsort(ids)], large.rows.take(np.sort(places)))
    again, same = alone.search(query, 10)

    assert scores.tolist() == again.tolist()
    assert ids.tolist() == same.tolist()


def test_keeps_every_bit_of_float16() -> None:
    vectors = unit_rows(50)
    store = store_of(vectors)
    query = unit_rows(1, 9)[0].astype(np.float32)

    scores, ids = store.search(query, 50)

    exact = vectors.astype(np.float64) @ query.astype(np.float64)
    np.testing.assert_allclose(scores, exact[ids - 1], atol=1e-6)


@pytest.mark.parametrize("kind", ["exact", "ivf"])
def test_saved_and_loaded_it_gives_the_same_answers(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arranging, "EXACT", 0)
    monkeypatch.setattr("mmsearch.vectors.store.FEW", 2)
    store = store_of(unit_rows(40))
    if kind == "ivf":
        store = clustered(store, tmp_path)
    store.remove(np.array([3, 4], dtype=np.int64))
    query = unit_rows(1, 5)[0].astype(np.float32)
    store.save(tmp_path, generation=7, origin=ORIGIN)

    found = Store.load(tmp_path, dim=DIM, origin=ORIGIN)
    assert found is not None
    loaded, generation = found

    assert generation == 7
    assert (loaded.clusters is None) == (kind == "exact")
    np.testing.assert_array_equal(loaded.ids, store.ids)
    for before, after in zip(store.search(query, 10), loaded.search(query, 10), strict=True):
        np.testing.assert_array_equal(before, after)
    loaded.add(np.array([99], dtype=np.int64), query[np.newaxis])
    assert loaded.search(query, 1)[1].tolist() == [99]


def test_whoever_has_opened_it_keeps_what_was_there(tmp_path: Path) -> None:
    store = saved(store_of(unit_rows(40)), tmp_path)
    reader = Store.load(tmp_path, dim=DIM, origin=ORIGIN)
    assert reader is not None
    query = unit_rows(1, 5)[0].astype(np.float32)
    before = reader[0].search(query, 40)

    store.remove(np.arange(1, 21))
    store.add(np.arange(41, 61), unit_rows(20, 8))
    saved(store, tmp_path, generation=2)

    for was, now in zip(before, reader[0].search(query, 40), strict=True):
        np.testing.assert_array_equal(was, now)


def test_rows_of_a_save_that_was_cut_short_are_not_used(tmp_path: Path) -> None:
    store = saved(store_of(unit_rows(40)), tmp_path)
    head = (tmp_path / HEAD_NAME).read_bytes()
    store.add(np.arange(41, 61), unit_rows(20, 8))
    store.spill(tmp_path)
    assert (tmp_path / HEAD_NAME).read_bytes() == head

    found = Store.load(tmp_path, dim=DIM, origin=ORIGIN)
    assert found is not None
    again = found[0]
    assert again.ids.tolist() == list(range(1, 41))
    again.add(np.arange(41, 51), unit_rows(10, 9))
    again = saved(again, tmp_path, generation=2)

    np.testing.assert_array_equal(again.rows.take(np.arange(40, 50)), unit_rows(10, 9))
    assert len(list(tmp_path.iterdir())) == 3


def test_a_store_of_another_origin_is_not_used(tmp_path: Path) -> None:
    saved(store_of(unit_rows(5)), tmp_path)

    assert Store.load(tmp_path, dim=DIM, origin="b@1") is None
    assert Store.load(tmp_path, dim=DIM + 1, origin=ORIGIN) is None
    assert Store.load(tmp_path / "absent", dim=DIM, origin=ORIGIN) is None


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("suffix", ["head", ".ids", ".rows", ".ivf"])
def test_files_cut_short_are_not_used(
    tmp_path: Path, keep: float, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arranging, "EXACT", 0)
    saved(clustered(store_of(unit_rows(50)), tmp_path), tmp_path)
    (path,) = (file for file in tmp_path.iterdir() if file.name.endswith(suffix))
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[: int(len(data) * keep)])

    assert Store.load(tmp_path, dim=DIM, origin=ORIGIN) is None


@given(at=st.integers(0, 10_000), value=st.integers(0, 255))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_garbled_head_is_not_used(tmp_path: Path, at: int, value: int) -> None:
    store = store_of(unit_rows(50))
    store.remove(np.array([7]))
    saved(store, tmp_path)
    data = bytearray((tmp_path / HEAD_NAME).read_bytes())
    same = data[at % len(data)] == value
    data[at % len(data)] = value
    (tmp_path / HEAD_NAME).write_bytes(data)

    found = Store.load(tmp_path, dim=DIM, origin=ORIGIN)

    if found is not None:  # only the generation may be another one
        assert same or found[1] != 1
        np.testing.assert_array_equal(found[0].ids, store.ids)


def test_a_store_that_could_not_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / HEAD_NAME).mkdir()
    with pytest.raises((IsADirectoryError, PermissionError)):
        store_of(unit_rows(5)).save(tmp_path, generation=1, origin=ORIGIN)

    assert not (tmp_path / f"{HEAD_NAME}.new").exists()


def test_the_saved_generation_is_told_without_loading(tmp_path: Path) -> None:
    head = tmp_path / HEAD_NAME
    assert read_stamp(head) is None
    head.write_bytes(b"short")
    assert read_stamp(head) is None
    saved(store_of(unit_rows(5)), tmp_path, generation=7)
    stamp = read_stamp(head)
    assert stamp is not None
    assert stamp.generation == 7
    assert stamp.is_of(ORIGIN)
    assert not stamp.is_of("b@1")


def test_a_store_is_arranged_anew_only_when_that_pays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arranging, "EXACT", 40 * DIM)
    monkeypatch.setattr(arranging, "_PENDING", 10 * DIM)
    wish = Wish(0.9)

    def again(store: Store) -> Store:
        store = saved(store, tmp_path)
        assert is_due(store, wish)
        made = arrange(store, tmp_path, wish, None, lambda done, total: None)
        made = saved(made, tmp_path)
        assert not is_due(made, wish)
        return made

    small = saved(store_of(unit_rows(40)), tmp_path)
    assert not is_due(small, wish)
    small.add(np.arange(41, 51), unit_rows(10, 1))
    first = again(small)
    assert first.clusters is not None
    assert is_due(first, Wish(0.5))
    first.add(np.arange(51, 61), unit_rows(10, 2))
    assert not is_due(first, wish)
    first.add(np.arange(61, 81), unit_rows(20, 3))
    second = again(first)
    assert second.clusters is not None
    # Less than twice as many: the same centroids.
    np.testing.assert_array_equal(second.clusters.centroids, first.clusters.centroids)
    second.add(np.arange(81, 141), unit_rows(60, 4))
    third = again(second)
    assert third.clusters is not None
    assert third.clusters.trained == 140
    third.remove(np.arange(1, 60))
    fourth = again(third)
    assert len(fourth.rows) == len(fourth.ids) == 81
    fourth.remove(np.arange(60, 110))
    fifth = again(fourth)
    assert fifth.clusters is None


@pytest.fixture
def ivf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the clusters of a saved store."""
    monkeypatch.setattr(arranging, "EXACT", 0)
    saved(clustered(store_of(unit_rows(50)), tmp_path), tmp_path)
    (path,) = tmp_path.glob("*.ivf")
    return path


@given(at=st.integers(0, 100_000), flipped=st.integers(1, 255))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_garbled_clusters_are_not_used_or_told(ivf: Path, at: int, flipped: int) -> None:
    data = ivf.read_bytes()
    garbled = bytearray(data)
    garbled[at % len(data)] ^= flipped
    ivf.unlink()
    ivf.write_bytes(garbled)

    found = Store.load(ivf.parent, dim=DIM, origin=ORIGIN)
    ivf.unlink()
    ivf.write_bytes(data)

    if found is not None and found[0].agrees_with([(np.arange(1, 51), unit_rows(50))]):
        scores, _ = found[0].search(unit_rows(1)[0].astype(np.float32), 10)
        assert len(scores) == 10


def test_a_copy_made_while_another_thread_searches_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = unit_rows(20)
    store = store_of(vectors[:10])
    store.add(np.arange(11, 21), vectors[10:])
    copies: list[Store] = []
    concatenate = np.concatenate

    def copy_and_concatenate(arrays: list[np.ndarray]) -> np.ndarray:
        with monkeypatch.context() as plain:
            plain.setattr(np, "concatenate", concatenate)
            copies.append(store.copy())
        return concatenate(arrays)

    monkeypatch.setattr(np, "concatenate", copy_and_concatenate)
    store.vectors(np.array([3]))
    monkeypatch.undo()

    assert copies
    for number, made in enumerate(copies):
        kept = saved(made, tmp_path / str(number))
        assert kept.agrees_with([(np.arange(1, 21), vectors)])


def test_garbled_rows_are_told(tmp_path: Path) -> None:
    vectors, ids = unit_rows(50), np.arange(1, 51)
    store = saved(store_of(vectors), tmp_path)
    assert store.agrees_with([(ids[:20], vectors[:20]), (ids[20:], vectors[20:])])
    assert not store.agrees_with([(ids[:20], vectors[:20])])
    (path,) = tmp_path.glob("*.rows")
    data = bytearray(path.read_bytes())
    data[77] ^= 1
    path.unlink()
    path.write_bytes(data)

    found = Store.load(tmp_path, dim=DIM, origin=ORIGIN)
    assert found is not None
    assert not found[0].agrees_with([(ids, vectors)])


def test_an_empty_store_is_kept_with_its_wish(tmp_path: Path) -> None:
    store = Store(DIM)
    store.wish = Wish(0.9, 1000)
    assert saved(store, tmp_path).wish == Wish(0.9, 1000)


@pytest.mark.parametrize("saved_before", [False, True])
def test_what_does_not_fit_on_the_disk_is_taken_away(tmp_path: Path, saved_before: bool) -> None:
    resource = pytest.importorskip("resource")
    store = store_of(unit_rows(100))
    if saved_before:
        store = saved(store, tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    store.add(np.arange(101, 2001), unit_rows(1900, 3))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r".") as failed:
            store.save(tmp_path, generation=2, origin=ORIGIN)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert failed.value.errno == errno.EFBIG
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before

    assert len(saved(store, tmp_path, generation=2).ids) == 2000
