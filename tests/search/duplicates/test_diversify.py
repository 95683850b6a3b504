"""Hits that differ from each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmsearch.items import Hit, Modality
from mmsearch.search.duplicates.diversify import diversify


def hit(item: int, modality: Modality = Modality.IMAGE) -> Hit:
    return Hit(item, 1.0, None, Path(f"{item}.jpg"), modality, item=item, asset=item)


HITS = [hit(item) for item in range(1, 7)]
# Two of a kind each: 1 and 2, 3 and 4, 5 and 6.
VECTORS = {item: np.eye(3, dtype=np.float32)[(item - 1) // 2] for item in range(1, 7)}


def test_no_two_of_a_kind_while_there_are_others() -> None:
    chosen = diversify(HITS, VECTORS, 3, strength=0.5)

    assert [one.item for one in chosen] == [1, 3, 5]
    assert [one.rank for one in chosen] == [1, 2, 3]


def test_all_are_chosen_in_the_end() -> None:
    assert sorted(one.item for one in diversify(HITS, VECTORS, 10)) == [1, 2, 3, 4, 5, 6]


def test_relevance_alone_keeps_the_order() -> None:
    assert [one.item for one in diversify(HITS, VECTORS, 6, strength=1.0)] == [1, 2, 3, 4, 5, 6]


def test_a_text_does_not_repeat_a_picture() -> None:
    hits = [hit(1), hit(2), hit(3, Modality.CAPTION)]
    vectors = {item: np.ones(4, dtype=np.float32) / 2 for item in (1, 2, 3)} | {
        1: np.array([1, 0, 0, 0], dtype=np.float32),
        2: np.array([1, 0, 0, 0], dtype=np.float32),
    }

    assert [one.item for one in diversify(hits, vectors, 2, strength=0.3)] == [1, 3]


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_choose_from(count: int) -> None:
    assert diversify(HITS[:count], VECTORS, 3) == HITS[:count]
