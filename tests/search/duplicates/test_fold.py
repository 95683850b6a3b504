"""Copies become one hit, which lists them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

import mmsearch
from mmsearch.items import Hit
from mmsearch.search.calibrate.cut import is_shown
from mmsearch.testing import TinyReranker
from tests.search.duplicates.scenes import resized, save, scene

QUERY = "a red photo"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three photos; of the first, one copy of its content and two smaller ones."""
    folder = tmp_path / "photos"
    first = save(scene(1), folder / "first.jpg")
    shutil.copy(first, folder / "again.jpg")
    save(resized(scene(1), 0.5), folder / "small" / "half.jpg", quality=70)
    save(resized(scene(1), 0.25), folder / "small" / "quarter.png")
    save(scene(2), folder / "second.jpg")
    save(scene(3), folder / "third.jpg")
    return folder


@pytest.fixture
def filled(index: mmsearch.Index, photos: Path) -> mmsearch.Index:
    index.add(photos)
    return index


def names(hits: list[Hit]) -> list[str]:
    return sorted(hit.path.name for hit in hits)


def with_copies(hits: list[Hit]) -> Hit:
    (hit,) = (hit for hit in hits if hit.copies)
    return hit


def test_copies_are_one_hit(filled: mmsearch.Index) -> None:
    hits = filled.search(QUERY)

    assert [hit.rank for hit in hits] == [1, 2, 3]
    copied = with_copies(hits)
    assert names([copied, *copied.copies]) == ["again.jpg", "first.jpg", "half.jpg", "quarter.png"]
    assert copied.info.width == 480  # not one of the smaller ones
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_all_are_hits_where_that_is_asked_for(filled: mmsearch.Index) -> None:
    hits = filled.search(QUERY, fold=False)

    assert len(hits) == 6
    assert not any(hit.copies for hit in hits)


@pytest.mark.parametrize("options", [{"grouped": False}, {"diverse": True}])
def test_copies_are_one_hit_in_every_way_to_search(
    filled: mmsearch.Index, options: dict[str, bool]
) -> None:
    hits = filled.search(QUERY, **options)  # type: ignore[arg-type]

    assert len(hits) == 3
    assert len(with_copies(hits).copies) == 3


def test_what_is_reranked_is_folded(filled: mmsearch.Index) -> None:
    hits = filled.search("red", rerank=TinyReranker())

    assert len(hits) == 3
    assert all(hit.reranked is not None for hit in hits)
    assert [hit.reranked for hit in hits] == sorted(
        (hit.reranked or 0.0 for hit in hits), reverse=True
    )


def test_copies_outside_of_the_filter_are_not_listed(filled: mmsearch.Index) -> None:
    (hit,) = filled.search(QUERY, folder="small")

    assert names([hit, *hit.copies]) == ["half.jpg", "quarter.png"]


def test_files_that_are_gone_are_folded_all_the_same(filled: mmsearch.Index, photos: Path) -> None:
    shutil.rmtree(photos)

    assert len(filled.search(QUERY)) == 3


def test_as_many_hits_as_were_asked_for_though_copies_are_on_top(
    index: mmsearch.Index, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    reddest = save(Image.new("RGB", (64, 48), "red"), folder / "0.png")
    for number in range(1, 120):
        shutil.copy(reddest, folder / f"{number}.png")
    for number in range(12):
        save(scene(number), folder / f"scene {number}.jpg")
    index.add(folder)

    first, *others = index.search("red", k=10)

    assert len(first.copies) == 119
    assert len(others) == 9


def test_captions_of_copies_stay_where_items_are_listed(
    index: mmsearch.Index, photos: Path
) -> None:
    (photos / "first.txt").write_text("a picture of happiness")
    (photos / "again.txt").write_text("quite another thing")
    index.add(photos)

    hits = index.search("happiness", grouped=False, modality="caption")

    assert {hit.text for hit in hits} == {"a picture of happiness", "quite another thing"}


def test_one_photo_and_no_photo(index: mmsearch.Index, tmp_path: Path) -> None:
    assert index.search(QUERY) == []
    save(scene(1), tmp_path / "photos" / "only.jpg")
    index.add(tmp_path / "photos")

    (hit,) = index.search(QUERY, diverse=True)

    assert hit.copies == ()


def test_copies_are_one_hit_where_only_filters_are_given(filled: mmsearch.Index) -> None:
    assert len(filled.search("type:image")) == 3
    assert len(filled.search("type:image", fold=False)) == 6


@pytest.mark.parametrize("k", [3, 10])
def test_a_short_list_of_what_passes_filters_has_all_copies(filled: mmsearch.Index, k: int) -> None:
    assert len(with_copies(filled.search("type:image", k=k)).copies) == 3


def test_a_copy_that_is_found_by_its_name_is_not_hidden_by_a_better_one(
    index: mmsearch.Index, tmp_path: Path
) -> None:
    save(scene(1), tmp_path / "photos" / "IMG_1.jpg")
    save(resized(scene(1), 0.5), tmp_path / "photos" / "Halvorsen.jpg")
    index.add(tmp_path / "photos")

    (hit,) = index.search("halvorsen")

    assert hit.path.name == "IMG_1.jpg"
    assert is_shown(hit)
