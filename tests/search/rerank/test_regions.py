"""Parts of photos for small things."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mmsearch.items import Modality
from mmsearch.search.normalise import Medium
from mmsearch.search.rerank.base import Deadline, Reranker
from mmsearch.search.rerank.cache import EmbeddingCache
from mmsearch.search.rerank.pictures import grid
from mmsearch.search.rerank.regions import Regions, combined
from mmsearch.search.rerank.reorder import rerank
from mmsearch.testing import TinyEncoder
from tests.search.rerank.conftest import caption, photo


class Cancelling(TinyEncoder):
    """Cancels while the nth photo is looked at."""

    def __init__(self, deadline: Deadline, after: int) -> None:
        super().__init__()
        self.deadline, self.after, self.looked = deadline, after, 0

    def encode_images(self, pixels):
        self.looked += 1
        if self.looked == self.after:
            self.deadline.cancel()
        return super().encode_images(pixels)


@pytest.fixture
def meadows(tmp_path: Path) -> list[Path]:
    """Six green photos, the fifth with a small red thing in it."""
    paths = []
    for number in range(6):
        meadow = Image.new("RGB", (400, 300), (0, 128, 0))
        meadow.paste((0, 100 + 10 * number, 0), (0, 0, 400, 20 * number + 1))
        if number == 4:
            meadow.paste((255, 0, 0), (290, 190, 390, 290))
        paths.append(tmp_path / f"{number}.png")
        meadow.save(paths[-1])
    return paths


@given(
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
    side=st.floats(0.34, 1),
    count=st.integers(2, 5),
)
def test_parts_cover_the_picture_and_lie_in_it(
    width: int, height: int, side: float, count: int
) -> None:
    boxes = grid(width, height, side=side, count=count)
    assert len(boxes) == count**2
    covered = [np.zeros(width, dtype=bool), np.zeros(height, dtype=bool)]
    for left, upper, right, lower in boxes:
        assert 0 <= left < right <= width
        assert 0 <= upper < lower <= height
        covered[0][left:right] = covered[1][upper:lower] = True
    if side * count >= 1.5 and min(width, height) > 20:
        assert covered[0].all()
        assert covered[1].all()


def test_a_small_thing_is_found(meadows: list[Path], cache: Path) -> None:
    reranker = Regions(TinyEncoder(), cache=EmbeddingCache(cache))
    assert isinstance(reranker, Reranker)
    candidates = [photo(path, similarity=0.5 - at / 1000) for at, path in enumerate(meadows)]
    assert rerank("a red thing", candidates, reranker).order[0] == 4
    again = [photo(path, similarity=0.5 - at / 1000) for at, path in enumerate(meadows)]
    assert rerank("a red thing", again, reranker).order[0] == 4
    assert sum(one.open.opened for one in again) == 0, "kept on disk"


def test_a_picture_looks_for_texts_with_its_parts(meadows: list[Path]) -> None:
    reranker = Regions(TinyEncoder())
    with Image.open(meadows[4]) as asked:
        asked.load()
    result = rerank(asked, [caption("a grey wall"), caption("red")], reranker)
    assert result.order.tolist() == [1, 0]
    assert reranker.takes(Medium.PICTURE, Modality.CAPTION)
    assert not reranker.takes(Medium.PICTURE, Modality.IMAGE)
    late = reranker.scores(asked, [caption("red")], deadline=Deadline(0))
    assert np.isnan(late).all()


def test_what_was_not_looked_at_in_time_keeps_its_place(meadows: list[Path]) -> None:
    deadline = Deadline(float("inf"))
    encoder = Cancelling(deadline, after=3)
    candidates = [photo(path, similarity=0.5 - at / 1000) for at, path in enumerate(meadows)]
    result = rerank("a red thing", candidates, Regions(encoder), deadline=deadline)
    assert encoder.looked == 3
    assert np.isnan(result.scores).tolist() == [False] * 3 + [True] * 3
    assert result.order[3:].tolist() == [3, 4, 5]


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=1, max_size=10))
def test_being_better_in_both_ways_is_being_better(pairs: list[tuple[float, float]]) -> None:
    wholes, parts = np.array(pairs).T
    scores = combined(wholes, parts)
    assert np.isfinite(scores).all()
    for one in range(len(pairs)):
        for other in range(len(pairs)):
            if wholes[one] >= wholes[other] and parts[one] >= parts[other]:
                assert scores[one] >= scores[other] - 1e-9


def test_what_is_not_known_is_not_judged() -> None:
    scores = combined(np.array([0.1, 0.2, np.nan]), np.array([np.nan, 0.3, 0.4]))
    assert np.isnan(scores).tolist() == [True, False, False]
    assert np.isnan(combined(np.array([0.1]), np.array([np.nan]))).all()
