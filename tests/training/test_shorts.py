from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.evaluation.datasets import CaptionedPhotos
from mmsearch.training.shorts import beginning_of, short_texts


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A black dog is running after a white dog in the snow .", "a black dog"),
        ("Two dogs playing", "two dogs"),
        ("Children in pajamas sit on sofas", "children"),
        ("sunset", "sunset"),
        ("In the snow", "in the snow"),
        ("A very large and heavy brown horse", "a very large"),
        ("The man whom everybody watches jumps", ""),
        ("", ""),
        (" . ", ""),
    ],
)
def test_a_beginning_is_the_first_thing_named(caption: str, expected: str) -> None:
    assert beginning_of(caption) == expected


@given(st.text())
def test_a_beginning_has_at_most_four_words(caption: str) -> None:
    assert len(beginning_of(caption).split()) <= 4


def test_photos_get_beginnings_once_and_names_where_the_tower_is_sure() -> None:
    photos = CaptionedPhotos(
        (Path("a.jpg"), Path("b.jpg")),
        ("Two dogs run .", "Two dogs in the snow .", "A red car on the road"),
        np.array([0, 0, 1]),
    )
    logits = np.array([[9.0, 0.0, 0.0], [1.0, 1.1, 1.0]], dtype=np.float16)
    texts, owners = short_texts(photos, ["sled dog, husky", "car", "tree"], logits)
    assert dict(zip(texts, owners.tolist(), strict=True)) == {
        "two dogs run": 0,
        "two dogs": 0,
        "a red car": 1,
        "sled dog": 0,
        "husky": 0,
    }
