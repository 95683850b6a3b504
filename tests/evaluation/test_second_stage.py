"""Rerankers in an evaluation: what moves, what stays, what it is called."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmsearch.errors import RerankerError, UnknownRerankerError
from mmsearch.evaluation.datasets import CaptionedPhotos
from mmsearch.evaluation.evaluate import evaluate
from mmsearch.evaluation.misses import worst_misses
from mmsearch.evaluation.report import Direction, reports_as_dict
from mmsearch.items import Modality
from mmsearch.search.normalise import Medium
from mmsearch.testing import TinyEncoder


class Judge:
    """Prefers candidates for which a function says more, in both directions or in one."""

    name = "judge"
    depth = 4

    def __init__(self, judge, modalities=(Modality.IMAGE, Modality.CAPTION)) -> None:
        self._judge, self._modalities = judge, modalities
        self.seen: list[tuple[object, list[object]]] = []

    def takes(self, asked: Medium, modality: Modality) -> bool:
        return modality in self._modalities

    def scores(self, query, candidates, *, deadline=None):
        self.seen.append((query, [one.key for one in candidates]))
        return np.array([self._judge(query, one) for one in candidates], dtype=np.float64)


def test_a_reranker_that_knows_puts_the_right_answer_first(colours: CaptionedPhotos) -> None:
    def knows(query, candidate):
        if isinstance(query, str):
            return candidate.key.stem in query
        return (
            Image.new("RGB", (1, 1), candidate.text.split()[0]).getpixel((0, 0))
            == (query.getpixel((0, 0)))
            if candidate.text != "something else"
            else False
        )

    report = evaluate(TinyEncoder(seed=2), colours, rerankers=[judge := Judge(knows)])
    told = report.as_dict()["reranked"][0]
    before = report.first.results[Direction.TEXT_TO_IMAGE].ranking
    after = report.reranked[0].results[Direction.TEXT_TO_IMAGE].ranking
    for query, caption in enumerate(colours.captions):
        if caption != "something else":
            rank = before.ranks[query]
            assert after.ranks[query] == (1 if rank <= 4 else rank)
    assert told["reranker"] == "judge"
    assert told["text_to_image"]["ms_per_query"] > 0
    assert set(told["image_to_text"]["difference"]["R@1"]) == {"value", "interval"}
    assert [len(keys) for _, keys in judge.seen] == [4] * (16 + 8)


def test_every_order_is_a_permutation_with_positions_to_match(colours: CaptionedPhotos) -> None:
    generator = np.random.default_rng(0)
    judge = Judge(lambda *_: generator.choice([np.nan, 0.0, 1.0, 2.0]))
    report = evaluate(TinyEncoder(), colours, rerankers=[judge])
    for direction, result in report.reranked[0].results.items():
        before, after = report.first.results[direction].ranking, result.ranking
        np.testing.assert_array_equal(np.sort(after.top[:, :4]), np.sort(before.top[:, :4]))
        np.testing.assert_array_equal(after.top[:, 4:], before.top[:, 4:])
        for pair, place in enumerate(after.positions.tolist()):
            query, answer = after.relevance.query[pair], after.relevance.answer[pair]
            if place <= after.top.shape[1]:
                assert after.top[query, place - 1] == answer
            else:
                assert place == before.positions[pair]
    assert np.isnan(report.reranked[0].results[direction].ranking.reranked[:, 4:]).all()


def test_a_reranker_that_says_nothing_changes_nothing(colours: CaptionedPhotos) -> None:
    told = evaluate(TinyEncoder(), colours, rerankers=[Judge(lambda *_: 0.0)]).as_dict()
    difference = told["reranked"][0]["text_to_image"]["difference"]
    assert all(value == {"value": 0, "interval": [0, 0]} for value in difference.values())


def test_the_directions_that_it_does_not_take_are_left_out(colours: CaptionedPhotos) -> None:
    seen: list[tuple[int, int]] = []
    report = evaluate(
        TinyEncoder(), colours, rerankers=["testing"], progress=lambda *now: seen.append(now)
    )
    assert list(report.reranked[0].results) == [Direction.TEXT_TO_IMAGE]
    assert seen[-1] == (8 + 16 + 16, 8 + 16 + 16)
    with pytest.raises(RerankerError, match="nothing to measure"):
        evaluate(TinyEncoder(), colours, rerankers=[Judge(None, modalities=(Modality.FRAME,))])
    with pytest.raises(UnknownRerankerError):
        evaluate(TinyEncoder(), colours, rerankers=["tasting"])


def test_photos_that_are_gone_keep_their_places(colours: CaptionedPhotos, tmp_path: Path) -> None:
    shade = tmp_path / "shade.png"
    Image.new("RGB", (16, 16), "red").save(shade)
    gone = CaptionedPhotos(
        tuple(tmp_path / "gone" / path.name for path in colours.photos),
        colours.captions,
        colours.photo_of_caption,
    )
    report = evaluate(
        TinyEncoder(), gone, rerankers=["testing"], decode=lambda *_: Image.open(shade)
    )
    before = report.first.results[Direction.TEXT_TO_IMAGE].ranking
    after = report.reranked[0].results[Direction.TEXT_TO_IMAGE].ranking
    np.testing.assert_array_equal(before.top, after.top)
    assert np.isnan(after.reranked).all()


def test_a_reranker_that_fails_takes_nothing_else_along(colours: CaptionedPhotos) -> None:
    asked = 0

    def fails(query, candidate):
        nonlocal asked
        asked += 1
        return 1 / (9 - asked)

    report = evaluate(TinyEncoder(), colours, rerankers=[Judge(fails), "testing"])
    assert [stage.reranker for stage in report.stages] == [None, "testing"]
    (error,) = report.failed
    assert "'judge' failed: ZeroDivisionError" in str(error)
    assert report.text_to_image == evaluate(TinyEncoder(), colours).text_to_image


def test_a_reranker_that_is_named_twice_is_measured_once(colours: CaptionedPhotos) -> None:
    report = evaluate(TinyEncoder(), colours, rerankers=["testing", "testing"])
    assert [stage.reranker for stage in report.reranked] == ["testing"]


def test_photos_that_are_too_large_are_not_opened(colours: CaptionedPhotos) -> None:
    report = evaluate(TinyEncoder(), colours, rerankers=["testing"], max_megapixels=0.001)
    ranking = report.reranked[0].results[Direction.TEXT_TO_IMAGE].ranking
    assert np.isnan(ranking.reranked).all()
    misses = worst_misses(report, max_megapixels=0.001).worst
    assert [miss.right.thumbnail for miss in misses] == [None] * len(misses)
    assert all(miss.right.thumbnail is not None for miss in worst_misses(report).worst)


def test_several_encoders_side_by_side(colours: CaptionedPhotos) -> None:
    reports = [evaluate(TinyEncoder(seed), colours) for seed in (0, 5)]
    told = reports_as_dict(reports)["reports"]
    assert [one["encoder"] for one in told] == ["testing@1", "testing@1-seed5"]
    assert "difference" not in told[0]["text_to_image"]
    for direction in Direction:
        value = told[1][direction]["difference"]["R@1"]["value"]
        assert value == pytest.approx(told[1][direction]["R@1"] - told[0][direction]["R@1"])
    assert reports_as_dict(reports[:1]) == reports[0].as_dict()
    assert json.dumps(told)
