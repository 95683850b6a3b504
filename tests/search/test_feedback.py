"""More like this, less like that."""

from __future__ import annotations

from pathlib import Path

import pytest

import mmsearch
from mmsearch.errors import QueryError
from mmsearch.testing import TinyReranker, make_photo


@pytest.fixture
def index(tmp_path: Path) -> mmsearch.Index:
    """Photos of one colour each, in shades."""
    photos = tmp_path / "photos"
    for number, (name, colour) in enumerate(
        {
            "rose": (255, 0, 0),
            "brick": (200, 10, 10),
            "wine": (140, 0, 20),
            "lake": (0, 0, 255),
            "night": (0, 0, 120),
            "lawn": (0, 128, 0),
            "leaf": (20, 160, 20),
        }.items()
    ):
        make_photo(photos / f"{name}.png", colour, size=(64, 40 + number))
    index = mmsearch.create(tmp_path / "index", model="testing")
    index.add(photos)
    return index


def names(hits: list[mmsearch.Hit]) -> list[str]:
    return [hit.path.stem for hit in hits]


def test_more_of_the_same_without_a_text(index: mmsearch.Index, tmp_path: Path) -> None:
    found = names(index.search(more_like=[tmp_path / "photos" / "lake.png"], fold=False))
    assert found[0] == "lake"
    assert found[1] == "night"
    assert len(found) == 7


def test_more_moves_a_query_towards_an_item(index: mmsearch.Index) -> None:
    before = names(index.search("red", fold=False))
    after = names(index.search("red", more_like=["lake.png"], fold=False))
    assert set(before[:3]) == {"rose", "brick", "wine"}
    assert after.index("lake") < before.index("lake")
    assert after[0] in before[:3]


def test_less_leaves_the_results_and_moves_its_like_down(index: mmsearch.Index) -> None:
    before = names(index.search("a photo, green or blue", fold=False))
    after = names(index.search("a photo, green or blue", less_like=["lake.png"], fold=False))
    assert "lake" not in after
    assert set(after) == set(before) - {"lake"}
    assert after.index("night") >= [name for name in before if name != "lake"].index("night")


def test_items_are_named_by_number(index: mmsearch.Index) -> None:
    lawn = next(hit for hit in index.search("green", fold=False) if hit.path.stem == "lawn")
    assert names(index.search(more_like=[lawn.item], fold=False))[0] == "lawn"
    assert "lawn" not in names(index.search("green", less_like=[f"#{lawn.item}"], fold=False))


def test_filters_hold_for_feedback(index: mmsearch.Index) -> None:
    found = index.search("type:image", more_like=["rose.png"], k=2, fold=False)
    assert names(found)[0] == "rose"
    assert index.search("type:caption", more_like=["rose.png"]) == []


def test_feedback_on_what_is_not_there(index: mmsearch.Index) -> None:
    with pytest.raises(QueryError, match=r"nowhere\.png"):
        index.search("red", more_like=["nowhere.png"])
    with pytest.raises(QueryError, match="#4711"):
        index.search("red", less_like=[4711])
    with pytest.raises(QueryError, match="find less of"):
        index.search(less_like=["rose.png"])


def test_what_a_reranker_knows_nothing_of_is_not_undone(
    index: mmsearch.Index, caplog: pytest.LogCaptureFixture
) -> None:
    expected = names(index.search("red", more_like=["lake.png"]))
    found = index.search("red", more_like=["lake.png"], rerank=TinyReranker())
    assert names(found) == expected
    assert "not reranked" in caplog.text
