"""How likely hits answer, with an encoder that nothing was fitted to."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mmsearch
from mmsearch.catalog.place import CATALOG_NAME
from mmsearch.items import Hit, Modality
from mmsearch.search.calibrate.calibration import calibration
from mmsearch.search.calibrate.cut import fill, is_shown, split
from mmsearch.search.calibrate.evidence import Chance, Evidence
from mmsearch.search.calibrate.words import either, of_words
from mmsearch.search.normalise import Medium
from mmsearch.testing import make_photo

COLOURS = ("red", "green", "blue")
Made = Callable[..., mmsearch.Index]


@pytest.fixture
def make_index(tmp_path: Path) -> Made:
    def make(*colours: str) -> mmsearch.Index:
        index = mmsearch.create(tmp_path / "index", model="testing")
        for colour in colours:
            make_photo(tmp_path / "photos" / f"{colour}.png", colour)
        index.add(tmp_path / "photos")
        return index

    return make


@pytest.mark.parametrize("colours", [("red",), COLOURS])
def test_a_handful_of_photos_answers_what_it_shows_and_nothing_else(
    make_index: Made, colours: tuple[str, ...]
) -> None:
    with make_index(*colours) as index:
        shown, _ = split(index.search("a red photo"))
        assert [hit.path.name for hit in shown] == ["red.png"]
        shown, hidden = split(index.search("a zebra"))
        assert (len(shown), len(hidden)) == (0, len(colours))


def test_a_name_that_matches_in_full_answers_whatever_the_similarity(make_index: Made) -> None:
    with make_index(*COLOURS) as index:
        make_photo(index.path.parent / "photos" / "Halvorsen.png", "grey")
        index.update()
        shown, _ = split(index.search("halvorsen"))
        assert [hit.path.name for hit in shown] == ["Halvorsen.png"]


def test_a_photo_answers_itself(make_index: Made) -> None:
    with make_index(*COLOURS) as index:
        shown, _ = split(index.search(image=index.path.parent / "photos" / "red.png"))
        assert shown[0].path.name == "red.png"


def test_among_many_alike_a_photo_answers_itself(make_index: Made) -> None:
    with make_index("red") as index:
        photos = index.path.parent / "photos"
        for number in range(40):
            make_photo(photos / f"{number}.png", (200 + number, number, 2 * number))
        index.update()
        hits = index.search(image=photos / "0.png", fold=False)
        assert "0.png" in [hit.path.name for hit in hits if is_shown(hit)]
        assert all(hit.relevance == 0.95 for hit in hits if (hit.similarity or 0) >= 0.999)
        assert {hit.answered for hit in hits} == {None}


def test_min_relevance_leaves_out_what_is_less_likely(make_index: Made) -> None:
    with make_index(*COLOURS) as index:
        everything = index.search("red")
        assert len(everything) == 3
        relevance = sorted(hit.relevance or 0 for hit in everything)
        some = index.search("red", min_relevance=relevance[-1])
        assert [hit.path.name for hit in some] == ["red.png"]


@pytest.mark.parametrize("fold", [True, False])
def test_what_min_relevance_leaves_out_takes_no_place_of_others(
    make_index: Made, fold: bool
) -> None:
    with make_index(*COLOURS) as index:
        for name, text in (("one", "a photo of something"), ("two", "nobody knew of the boat")):
            (index.path.parent / "photos" / f"{name}.txt").write_text(text)
        index.update()
        *_, last = everything = index.search("red photo")
        assert last.relevance
        likely = [hit.item for hit in everything if (hit.relevance or 0) >= last.relevance]
        assert len(likely) < len(everything)  # less likely ones come before it
        hits = index.search("red photo", k=len(likely), min_relevance=last.relevance, fold=fold)
        assert [hit.item for hit in hits] == likely
        assert [hit.rank for hit in hits] == [*range(1, len(hits) + 1)]


def test_what_is_hidden_takes_no_place_of_what_is_shown() -> None:
    def hit(item: int, relevance: float) -> Hit:
        return Hit(item, 0.0, relevance, Path("x"), Modality.IMAGE, item, item)

    hits = [hit(1, 0.9), hit(2, 0.0), hit(3, 0.8), hit(4, 0.0), hit(5, 0.7)]
    for k, shown, hidden in ((1, [1], []), (3, [1, 3, 5], []), (5, [1, 3, 5], [2, 4])):
        listed = fill(hits, k)
        assert [[hit.item for hit in part] for part in listed] == [shown, hidden]


def test_a_file_is_shown_where_one_of_its_items_answers() -> None:
    unlikely = Hit(1, 0.0, 0.01, Path("x"), Modality.CAPTION, 1, 1, answered=0.1)
    likely = Hit(2, 0.0, 0.4, Path("x"), Modality.IMAGE, 2, 1, answered=0.9)
    assert not is_shown(unlikely)
    assert not is_shown(replace(unlikely, others=(unlikely,)))
    assert is_shown(replace(unlikely, others=(likely,)))


def test_an_index_without_background_works_and_gets_it_with_the_next_run(
    make_index: Made,
) -> None:
    with make_index(*COLOURS) as index:
        before = [hit.relevance for hit in index.search("red")]
        with sqlite3.connect(index.path / CATALOG_NAME) as connection:
            connection.execute("DELETE FROM background")
        connection.close()
        rough = index.search("red")
        assert rough[0].path.name == "red.png"
        assert all(hit.relevance is not None and 0 <= hit.relevance <= 1 for hit in rough)
        assert [hit.relevance for hit in rough] != before
        assert {hit.answered for hit in rough} == {None}  # nothing is hidden for it
        index.update()
        assert [hit.relevance for hit in index.search("red")] == before


@given(
    st.integers(0, 10**6),
    st.integers(1, 10**7),
    st.floats(0, 1),
    st.sampled_from([(a, f) for a in Medium for f in Medium]),
)
def test_relevance_is_a_probability_and_rises_with_similarity(
    seed: int, items: int, unit: float, media: tuple[Medium, Medium]
) -> None:
    random = np.random.default_rng(seed)
    best = -np.sort(-random.uniform(-1, 1, random.integers(1, 30)).astype(np.float32))
    for has_levels in (False, media != (Medium.PICTURE, Medium.PICTURE)):
        levels = np.full(len(best), 0.1) if has_levels else None
        details = np.full(len(best), random.normal()) if has_levels else None
        evidence = Evidence.of(best, levels, details, mean=0.05, unit=unit, items=items)
        calibrated = calibration(*media, levels=has_levels)
        relevance = calibrated.relevance(best, levels, details, evidence)
        assert ((relevance >= 0) & (relevance <= 1)).all()
        assert (np.diff(relevance) <= 1e-12).all()
        assert 0 <= calibrated.answered(evidence) <= 1


@given(st.floats(0, 1), st.floats(0, 1))
def test_evidence_of_two_kinds_is_at_least_as_strong_as_each(one: float, other: float) -> None:
    both = either(np.array([one]), np.array([other]))
    assert max(one, other) - 1e-12 <= both[0] <= 1
    assert of_words(np.array([0.0]))[0] == 0


def test_levels_are_those_of_the_nearest_texts() -> None:
    chance = Chance(np.eye(40, 64, dtype=np.float32))
    item = np.zeros((1, 64), dtype=np.float32)
    item[0, 3] = 1
    assert chance.levels(item) == pytest.approx(1.0)
    assert chance.unrelated(item).mean == pytest.approx(1 / 40)


@pytest.mark.parametrize(("items", "texts", "dim"), [(1, 1, 3), (37, 70, 512), (16, 5, 20_000)])
def test_levels_of_any_shape(items: int, texts: int, dim: int) -> None:
    random = np.random.default_rng(0)
    general = random.normal(size=(texts, dim)).astype(np.float32)
    vectors = random.normal(size=(items, dim)).astype(np.float16)
    products = vectors.astype(np.float64) @ general.T.astype(np.float64)
    count = max(1, round(0.034 * texts))
    expected = np.sort(products, axis=1)[:, -count:].mean(axis=1)
    np.testing.assert_allclose(Chance(general).levels(vectors), expected, rtol=1e-4, atol=1e-3)


def test_a_detail_is_what_texts_in_general_do_not_say() -> None:
    chance = Chance(np.eye(40, 64, dtype=np.float32))
    text = np.zeros(64, dtype=np.float32)
    text[[3, 50]] = 0.8, 0.6
    detail = chance.detail(text)
    assert np.linalg.norm(detail) == pytest.approx(1)
    assert detail[50] > 0.99
    assert not chance.detail(np.zeros(64)).any()


@pytest.mark.parametrize("found", list(Medium))
def test_what_stands_out_by_its_detail_is_likelier_to_answer(found: Medium) -> None:
    best, levels = np.full(10, 0.3, np.float32), np.full(10, 0.25)
    calibrated = calibration(Medium.TEXT, found, levels=True)
    little, much = (
        calibrated.answered(
            Evidence.of(best, levels, np.full(10, detail * 0.06), mean=0.1, unit=0.06, items=1000)
        )
        for detail in (1.0, 3.0)
    )
    assert little < much
