"""The figures of rankings, and what their intervals promise."""

from __future__ import annotations

import numpy as np
import pytest

from mmsearch.evaluation.figures import NAMES, differences, figures_of
from mmsearch.evaluation.ranking import Ranking, Relevance


def ranking_of(positions: np.ndarray, photo_of_query: np.ndarray) -> Ranking:
    """Queries with one right answer each."""
    relevance = Relevance.of_captions(photo_of_query)
    nothing = np.empty((len(positions), 0))
    return Ranking(
        relevance, positions, nothing.astype(np.int64), nothing.astype(np.float32), positions * 0.0
    )


def found(values: np.ndarray, photo_of_query: np.ndarray) -> Ranking:
    """Queries that find their photo first where a value is true, else twentieth."""
    return ranking_of(np.where(values, 1, 20), photo_of_query)


def test_the_figures_of_known_ranks() -> None:
    figures = figures_of(ranking_of(np.array([1, 2, 5, 10, 11, 100]), np.arange(6)))
    mean_reciprocal = 100 * (1 + 1 / 2 + 1 / 5 + 1 / 10 + 1 / 11 + 1 / 100) / 6
    expected = (100 / 6, 50, 400 / 6, mean_reciprocal, mean_reciprocal, 7.5)
    assert list(figures) == list(NAMES)
    assert [figure.value for figure in figures.values()] == pytest.approx(expected)
    assert all(figure.low <= figure.value <= figure.high for figure in figures.values())


def test_one_photo_leaves_nothing_to_draw() -> None:
    figures = figures_of(ranking_of(np.array([1, 3]), np.zeros(2, np.int64)))
    assert all(figure.low == figure.value == figure.high for figure in figures.values())


def test_a_bootstrap_by_hand() -> None:
    """Slow and plain: draws photos with all their captions and measures what was drawn."""
    generator = np.random.default_rng(3)
    photos = np.repeat(np.arange(12), generator.integers(1, 6, 12))
    positions = generator.integers(1, 30, len(photos))
    figures = figures_of(ranking_of(positions, photos))

    drawn = []
    for _ in range(4000):
        chosen = generator.integers(12, size=12)
        ranks = np.concatenate([positions[photos == photo] for photo in chosen])
        drawn.append((100 * np.mean(ranks <= 10), 100 * np.mean(1 / ranks), np.median(ranks)))
    low, high = np.percentile(np.array(drawn), [2.5, 97.5], axis=0)
    for name, one_low, one_high, tolerance in zip(
        ("R@10", "MRR", "median_rank"), low, high, (4, 2, 2), strict=True
    ):
        assert figures[name].low == pytest.approx(one_low, abs=tolerance)
        assert figures[name].high == pytest.approx(one_high, abs=tolerance)


def test_intervals_cover_the_truth_though_captions_of_a_photo_fare_alike() -> None:
    generator = np.random.default_rng(0)
    photo_of_query = np.repeat(np.arange(150), 5)
    covered, widths = 0, []
    for _ in range(80):
        chance = generator.beta(0.4, 0.6, 150)  # of each photo: 40% in the mean
        values = generator.random(750) < chance[photo_of_query]
        figure = figures_of(found(values, photo_of_query))["R@1"]
        covered += figure.low <= 40 <= figure.high
        widths.append(figure.high - figure.low)
    assert 69 <= covered <= 80, "95% of 80 are 76"
    alone = 2 * 1.96 * 100 * np.sqrt(0.4 * 0.6 / 750)
    assert np.mean(widths) > 1.3 * alone, "wider than if captions were independent"


def test_intervals_are_the_same_every_time() -> None:
    ranking = found(np.arange(40) % 3 == 0, np.arange(40) // 2)
    assert figures_of(ranking) == figures_of(ranking)


def test_differences_are_paired() -> None:
    generator = np.random.default_rng(1)
    photos = np.repeat(np.arange(100), 5)
    before = generator.random(500) < 0.4
    more = before | (generator.random(500) < 0.05)
    difference = differences(found(more, photos), found(before, photos))["R@1"]
    assert difference.value == pytest.approx(100 * (more.mean() - before.mean()))
    assert 0 < difference.low < difference.value < difference.high
    single = figures_of(found(before, photos))["R@1"]
    assert difference.high - difference.low < (single.high - single.low) / 2
    assert not any(vars_of(differences(found(before, photos), found(before, photos))))


def vars_of(figures: dict) -> list[float]:
    return [x for one in figures.values() for x in (one.value, one.low, one.high)]
