"""What becomes of candidates that a reranker judged, and of those that it did not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmsearch.errors import RerankerError
from mmsearch.items import Modality
from mmsearch.search.normalise import Medium
from mmsearch.search.rerank.base import Candidate, Deadline, Reranker, score_in_batches
from mmsearch.search.rerank.reorder import reordered, rerank

JUDGED = st.one_of(st.just(float("nan")), st.sampled_from([-1.5, 0.0, 2.0, float("-inf")]))


class Judge:
    """Scores candidates by their keys, two a batch, and remembers what it was asked."""

    name = "judge"

    def __init__(self, depth: int = 50, *, stop_after: int | None = None) -> None:
        self.depth = depth
        self.asked: list[object] = []
        self._stop_after = stop_after

    def takes(self, asked: Medium, modality: Modality) -> bool:
        return asked is Medium.TEXT and modality is Modality.IMAGE

    def scores(self, query, candidates, *, deadline=None):
        def judge(batch):
            self.asked.extend(one.key for one in batch)
            if self._stop_after is not None and len(self.asked) >= self._stop_after:
                deadline.cancel()
            return np.array([float(one.key) for one in batch])

        return score_in_batches(candidates, judge, size=2, deadline=deadline)


def candidates(*keys: int | str) -> list[Candidate]:
    """Photos by number; a text stands for a caption."""

    def never(min_size=None):
        raise AssertionError("nothing is opened here")

    return [
        Candidate(key, Modality.IMAGE, 0.5, 1 / place, None, never)
        if isinstance(key, int)
        else Candidate(key, Modality.CAPTION, 0.5, 1 / place, key, never)
        for place, key in enumerate(keys, 1)
    ]


@given(st.lists(st.tuples(JUDGED, st.sampled_from(Medium)), max_size=12))
def test_what_is_not_judged_keeps_its_place_and_each_medium_is_sorted_stably(
    found: list[tuple[float, Medium]],
) -> None:
    scores, media = [score for score, _ in found], [medium for _, medium in found]
    order = reordered(np.array(scores), media).tolist()
    assert sorted(order) == list(range(len(scores)))
    expected = {}
    for medium in Medium:
        judged = [at for at, one in enumerate(found) if one[1] is medium and not np.isnan(one[0])]
        expected[medium] = iter(sorted(judged, key=lambda at: (-scores[at], at)))
    assert order == [
        at if np.isnan(score) else next(expected[medium])
        for at, (score, medium) in enumerate(found)
    ]


def test_modalities_that_it_does_not_take_keep_their_places() -> None:
    result = rerank("dogs", candidates(1, "a", 3, "b", 2), judge := Judge())
    assert result.order.tolist() == [2, 1, 4, 3, 0]
    assert judge.asked == [1, 3, 2]
    np.testing.assert_array_equal(result.scores, [1, np.nan, 3, np.nan, 2])


def test_only_so_many_candidates_as_it_looks_at_are_judged() -> None:
    result = rerank("dogs", candidates("a", 1, 2, 3, 4), judge := Judge(depth=2))
    assert judge.asked == [1, 2]
    assert result.order.tolist() == [0, 2, 1, 3, 4]


def test_after_the_deadline_the_rest_keeps_the_first_stages_order() -> None:
    deadline = Deadline(float("inf"))
    judge = Judge(stop_after=3)
    result = rerank("dogs", candidates(1, 2, 3, 4, 5, 6), judge, deadline=deadline)
    assert judge.asked == [1, 2, 3, 4], "a batch is finished"
    assert result.order.tolist() == [3, 2, 1, 0, 4, 5]
    assert deadline.passed
    assert deadline.remaining == 0


def test_a_deadline_in_the_past_changes_nothing() -> None:
    result = rerank("dogs", candidates(1, 2), judge := Judge(), deadline=Deadline(0))
    assert judge.asked == []
    assert result.order.tolist() == [0, 1]


def test_a_query_that_it_does_not_take_changes_nothing() -> None:
    from PIL import Image

    result = rerank(Image.new("RGB", (4, 4)), candidates(1, 2), Judge())
    assert result.order.tolist() == [0, 1]
    assert isinstance(Judge(), Reranker)


def test_an_infinite_score_is_none() -> None:
    class Overflowing(Judge):
        def scores(self, query, candidates, *, deadline=None):
            return np.array([np.inf, 1.0, -np.inf, 2.0])

    result = rerank("dogs", candidates(1, 2, 3, 4), Overflowing())
    assert result.order.tolist() == [0, 3, 2, 1]
    np.testing.assert_array_equal(result.scores, [np.nan, 1.0, np.nan, 2.0])


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.ones(1), r"'failing' gave scores of shape \(1,\) for 3 candidates"),
        (1.0, r"shape \(\)"),
        (np.ones(2), r"shape \(2,\)"),
        (np.ones((3, 1)), r"shape \(3, 1\)"),
        (["a", "b", "c"], "'failing' failed: ValueError"),
        (ZeroDivisionError("by none"), "'failing' failed: ZeroDivisionError: by none"),
    ],
)
def test_a_reranker_that_fails_is_named(scores: object, message: str) -> None:
    class Failing(Judge):
        name = "failing"

        def scores(self, query, candidates, *, deadline=None):
            if isinstance(scores, Exception):
                raise scores
            return scores

    with pytest.raises(RerankerError, match=message):
        rerank("dogs", candidates(1, 2, 3), Failing())


def test_plain_numbers_are_scores() -> None:
    class Plain(Judge):
        def scores(self, query, candidates, *, deadline=None):
            return [1, 3, 2]

    assert rerank("dogs", candidates(1, 2, 3), Plain()).order.tolist() == [1, 2, 0]


def test_nothing_to_rerank() -> None:
    assert rerank("dogs", [], Judge()).order.tolist() == []
