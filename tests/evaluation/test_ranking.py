"""Rankings against sorting by hand, with many ties."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mmsearch.evaluation.ranking import Relevance, rank

Case = tuple[np.ndarray, np.ndarray, np.ndarray, int]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Photos, captions, owners and a depth; some photos have no caption, some scores no number."""
    photos, dim = draw(st.integers(1, 7)), draw(st.integers(1, 2))
    owners = draw(st.lists(st.integers(0, photos - 1), min_size=1, max_size=12))
    numbers = st.sampled_from([-1.0, 0.0, 1.0, 2.0, float("nan"), float("inf")])
    images = draw(hnp.arrays(np.float32, (photos, dim), elements=numbers))
    texts = draw(hnp.arrays(np.float32, (len(owners), dim), elements=numbers))
    return images, texts, np.array(owners), draw(st.integers(0, 8))


def order_by_hand(scores: np.ndarray, right: set[int]) -> list[int]:
    """Best first, right answers last among equals; NaN is good where wrong, bad where right."""

    def key(answer: int) -> tuple[float, bool, int]:
        score = float(scores[answer])
        if np.isnan(score):
            score = -np.inf if answer in right else np.inf
        return -score, answer in right, answer

    return sorted(range(len(scores)), key=key)


@np.errstate(invalid="ignore")
def check(queries: np.ndarray, answers: np.ndarray, relevance: Relevance, depth: int) -> None:
    found = rank(queries, answers, relevance, depth=depth)
    assert found.top.shape == (len(queries), min(depth, len(answers)))
    for query, scores in enumerate(queries @ answers.T):
        pairs = np.flatnonzero(relevance.query == query)
        right = set(relevance.answer[pairs].tolist())
        expected = order_by_hand(scores, right)
        assert found.top[query].tolist() == expected[: min(depth, len(answers))]
        np.testing.assert_array_equal(found.similarities[query], scores[found.top[query]])
        places = [expected.index(answer) + 1 for answer in relevance.answer[pairs]]
        assert found.positions[pairs].tolist() == places
        np.testing.assert_array_equal(found.right[pairs], scores[relevance.answer[pairs]])
        assert found.ranks[query] == min(places)
        hits = [answer in right for answer in expected]
        precisions = [sum(hits[: at + 1]) / (at + 1) for at in range(len(hits)) if hits[at]]
        np.testing.assert_allclose(found.average_precisions[query], np.mean(precisions))


@given(cases())
def test_captions_find_photos_as_sorting_says(case: Case) -> None:
    images, texts, owners, depth = case
    check(texts, images, Relevance.of_captions(owners), depth)


@given(cases())
def test_photos_find_captions_as_sorting_says(case: Case) -> None:
    images, texts, owners, depth = case
    relevance = Relevance.of_photos(owners)
    assert relevance.photo.tolist() == sorted(set(owners.tolist()))
    check(images[relevance.photo], texts, relevance, depth)


def test_blocks_do_not_show(monkeypatch) -> None:
    generator = np.random.default_rng(0)
    images = generator.normal(size=(40, 4)).astype(np.float32)
    texts = generator.normal(size=(90, 4)).astype(np.float32)
    relevance = Relevance.of_photos(generator.integers(40, size=90))
    whole = rank(images[relevance.photo], texts, relevance, depth=7)
    monkeypatch.setattr("mmsearch.evaluation.ranking._BLOCK_BYTES", 4 * 90 * 3)
    parts = rank(images[relevance.photo], texts, relevance, depth=7)
    np.testing.assert_array_equal(whole.positions, parts.positions)
    np.testing.assert_array_equal(whole.top, parts.top)


def test_average_precision_of_several_right_answers() -> None:
    """Right answers at ranks 1 and 3: (1/1 + 2/3) / 2."""
    texts = np.array([[4.0], [3.0], [2.0], [1.0]], np.float32)
    relevance = Relevance(np.array([0, 0]), np.array([0, 2]), np.array([0]))
    found = rank(np.ones((1, 1), np.float32), texts, relevance, depth=4)
    assert found.positions.tolist() == [1, 3]
    assert found.average_precisions.tolist() == [(1 + 2 / 3) / 2]


def test_what_maps_everything_to_one_point_gets_no_credit() -> None:
    random = np.random.default_rng(0)
    for photos in range(2, 40):
        point = random.standard_normal(384).astype(np.float32)
        point = (point / np.linalg.norm(point)).astype(np.float16).astype(np.float32)
        owners = np.repeat(np.arange(photos), 5)
        # a product of matrices rounds the last rows and columns in another way
        images, texts = np.tile(point, (photos, 1)), np.tile(point, (len(owners), 1))
        to_photos = rank(texts, images, Relevance.of_captions(owners), depth=0)
        assert set(to_photos.ranks.tolist()) == {photos}
        to_texts = rank(images, texts, Relevance.of_photos(owners), depth=0)
        assert set(to_texts.ranks.tolist()) == {5 * (photos - 1) + 1}
