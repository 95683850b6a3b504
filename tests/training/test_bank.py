from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.training.bank import centroids


def spread(rows: np.ndarray, centres: np.ndarray) -> float:
    """Mean squared distance of rows to their nearest centre."""
    distances = ((rows[:, None] - centres[None]) ** 2).sum(axis=2)
    return float(distances.min(axis=1).mean())


@given(st.integers(0, 200), st.integers(2, 40), st.integers(1, 12))
def test_centroids_are_no_worse_than_where_they_start(seed: int, count: int, wanted: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)
    start = centroids(rows, wanted, rounds=0)
    end = centroids(rows, wanted)
    assert end.shape == (min(count, wanted), 3)
    assert end.dtype == np.float32
    assert spread(rows, end) <= spread(rows, start) + 1e-6


def test_settled_centroids_are_the_means_of_their_rows() -> None:
    rows = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    centres = centroids(rows, 5, rounds=200)
    nearest = ((rows[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    means = [rows[nearest == number].mean(axis=0) for number in range(5)]
    np.testing.assert_allclose(centres, means, atol=1e-4)


@pytest.mark.parametrize("count", [1, 4])
def test_few_rows_are_their_own_centroids(count: int) -> None:
    rows = np.arange(2 * count, dtype=np.float32).reshape(count, 2)
    np.testing.assert_array_equal(centroids(rows, 4), rows)
