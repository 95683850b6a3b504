"""Similarities become comparable across media, whatever they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmsearch.items import Modality
from mmsearch.search.normalise import Medium, scale_of, unrelated

STEPS = 10**6  # what float32 tells apart near 1
SIMILARITIES = arrays(np.int32, st.integers(0, 80), elements=st.integers(-STEPS, STEPS)).map(
    lambda steps: (steps / STEPS).astype(np.float32)
)


def test_every_modality_has_one_medium() -> None:
    assert sorted(one for medium in Medium for one in medium.modalities) == sorted(Modality)


@given(SIMILARITIES, st.sampled_from(Medium))
def test_any_similarities_keep_their_order(similarities: np.ndarray, found: Medium) -> None:
    best = -np.sort(-similarities)
    scale = scale_of(similarities, best, unrelated(Medium.TEXT, found))
    standing = scale(best)
    assert np.isfinite(standing).all()
    assert (np.diff(standing) <= 0).all()
    assert (np.diff(standing)[np.diff(best) < 0] < 0).all()


@given(st.floats(-0.5, 0.5), st.floats(0.01, 3))
def test_where_a_medium_lies_does_not_matter(shift: float, stretch: float) -> None:
    similarities = np.random.default_rng(0).normal(0, 0.1, 200)
    best = -np.sort(-similarities)
    expected = unrelated(Medium.TEXT, Medium.TEXT)
    moved = scale_of(similarities * stretch + shift, best * stretch + shift, expected)
    same = scale_of(similarities, best, expected)
    assert moved(best * stretch + shift) == pytest.approx(same(best))


def test_a_lone_item_is_judged_by_what_is_known_in_general() -> None:
    expected = unrelated(Medium.TEXT, Medium.TEXT)
    for similarity, stands_out in ((0.47, False), (0.9, True)):
        one = np.array([similarity], dtype=np.float32)
        assert (scale_of(one, one, expected)(one)[0] > 0) == stands_out
