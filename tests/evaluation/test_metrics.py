from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mmsearch.evaluation.metrics import (
    RetrievalMetrics,
    image_to_text_ranks,
    text_to_image_ranks,
)


@st.composite
def retrieval(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Photos, captions and owners; small whole numbers, so that ties are common and exact."""
    photos, extra, dim = draw(st.integers(1, 8)), draw(st.integers(0, 12)), draw(st.integers(1, 3))
    more = draw(st.lists(st.integers(0, photos - 1), min_size=extra, max_size=extra))
    owners = draw(st.permutations([*range(photos), *more]))
    whole = st.integers(-2, 2).map(float)
    images = draw(hnp.arrays(np.float32, (photos, dim), elements=whole))
    texts = draw(hnp.arrays(np.float32, (len(owners), dim), elements=whole))
    return images, texts, np.array(owners, dtype=np.int64)


@given(retrieval())
def test_ranks_equal_those_of_sorting_with_the_right_answer_last_among_equals(
    case: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    images, texts, owners = case
    similarity = texts @ images.T
    for caption, rank in enumerate(text_to_image_ranks(images, texts, owners)):
        order = sorted(
            range(len(images)), key=lambda i: (-similarity[caption, i], i == owners[caption])
        )
        assert rank == order.index(owners[caption]) + 1
    for photo, rank in enumerate(image_to_text_ranks(images, texts, owners)):
        order = sorted(range(len(texts)), key=lambda c: (-similarity[c, photo], owners[c] == photo))
        others_first = [c for c in order if owners[c] != photo]
        best = max(similarity[c, photo] for c in range(len(texts)) if owners[c] == photo)
        assert rank == 1 + sum(similarity[c, photo] >= best for c in others_first)


def test_more_queries_than_a_block() -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(1100, 8)).astype(np.float32)
    owners = np.repeat(np.arange(1100), 2)
    texts = images[owners] + rng.normal(size=(2200, 8)).astype(np.float32)
    similarity = texts @ images.T
    right = similarity[np.arange(2200), owners]
    np.testing.assert_array_equal(
        text_to_image_ranks(images, texts, owners), (similarity >= right[:, None]).sum(axis=1)
    )
    best = right.reshape(1100, 2).max(axis=1)
    own = owners[:, None] == np.arange(1100)
    np.testing.assert_array_equal(
        image_to_text_ranks(images, texts, owners),
        1 + ((similarity >= best) & ~own).sum(axis=0),
    )


def test_one_point_for_everything_earns_nothing() -> None:
    images, texts = np.ones((10, 2), np.float32), np.ones((20, 2), np.float32)
    owners = np.repeat(np.arange(10), 2)
    assert set(text_to_image_ranks(images, texts, owners)) == {10}
    assert set(image_to_text_ranks(images, texts, owners)) == {19}


def test_not_a_number_earns_nothing() -> None:
    """As an encoder gives that overflows."""
    images, texts = np.eye(3, dtype=np.float32), np.full((3, 3), np.nan, dtype=np.float32)
    owners = np.arange(3)
    assert text_to_image_ranks(images, texts, owners).tolist() == [3, 3, 3]
    assert image_to_text_ranks(images, texts, owners).tolist() == [3, 3, 3]


def test_metrics_are_percentages() -> None:
    metrics = RetrievalMetrics.of_ranks(np.array([1, 2, 5, 10, 11, 100]))
    assert metrics.as_dict() == {
        "R@1": pytest.approx(16.67),
        "R@5": 50.0,
        "R@10": pytest.approx(66.67),
        "MRR": pytest.approx(100 * (1 + 1 / 2 + 1 / 5 + 1 / 10 + 1 / 11 + 1 / 100) / 6, abs=0.005),
    }
