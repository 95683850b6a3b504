"""Terms, exclusions, pictures and filters of the query language, through the library."""

from __future__ import annotations

from pathlib import Path

import pytest

import mmsearch
from mmsearch.errors import QueryError, QuerySyntaxError
from mmsearch.testing import make_photo


@pytest.fixture
def filled(index: mmsearch.Index, photos: Path) -> mmsearch.Index:
    (photos / "green.txt").write_text("a tractor in a field")
    index.add(photos)
    return index


def names(hits: list[mmsearch.Hit]) -> list[str]:
    return [hit.path.stem for hit in hits]


@pytest.mark.parametrize("query", ["photo -red", "photo NOT red", "photo + photo - red", "-red"])
def test_what_is_unwanted_comes_last(filled: mmsearch.Index, query: str) -> None:
    hits = filled.search(f"{query} type:image")
    assert len(hits) == 4
    assert hits[-1].path.stem == "red"
    assert all(0 <= (hit.relevance or 0) <= 1 for hit in hits)


def test_a_caption_that_names_the_unwanted_counts_against_its_photo(
    filled: mmsearch.Index,
) -> None:
    alone = filled.search("green type:image")
    assert names(alone)[0] == "green"
    excluded = filled.search("green -tractor type:image")
    assert excluded[0].score < alone[0].score or names(excluded)[0] != "green"
    (before,) = [hit for hit in alone if hit.path.stem == "green"]
    (after,) = [hit for hit in excluded if hit.path.stem == "green"]
    assert after.relevance is not None
    assert before.relevance is not None
    assert after.relevance < before.relevance / 5


def test_several_terms_and_weights(filled: mmsearch.Index) -> None:
    assert set(names(filled.search("red + blue type:image", k=2))) == {"red", "blue"}
    assert names(filled.search("red^5 + blue type:image", k=1)) == ["red"]
    assert names(filled.search("red + blue^5 type:image", k=1)) == ["blue"]


def test_a_picture_and_a_text_count_both(
    filled: mmsearch.Index, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_arguments = filled.search("blue", image=photos / "red.png", modality="image")
    assert set(names(by_arguments[:2])) == {"red", "blue"}
    monkeypatch.chdir(photos)
    by_text = filled.search("blue + red.png type:image", files=True)
    assert names(by_text) == names(by_arguments)
    assert names(filled.search("photo - red.png + photo type:image", files=True))[-1] == "red"


def test_names_of_files_are_words_unless_files_are_at_hand(
    filled: mmsearch.Index, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos)
    make_photo(photos / "deep" / "green.png", "red")
    assert names(filled.search("deep/green.png", modality="image", k=1)) != ["red"]
    assert names(filled.search("deep/green.png", modality="image", k=1, files=True)) == ["red"]


def test_like_finds_more_of_the_same_and_not_itself(filled: mmsearch.Index, photos: Path) -> None:
    make_photo(photos / "crimson.png", (230, 20, 20))
    filled.add(photos)
    assert names(filled.search("like:red.png", k=1)) == ["crimson"]
    red = filled.search("red type:image", k=1)[0]
    assert "red" not in names(filled.search(f"like:#{red.item} type:image"))
    assert names(filled.search("photo -like:red.png type:image"))[-2:] in (
        ["crimson", "red"],
        ["red", "crimson"],
    )
    with pytest.raises(QuerySyntaxError, match="#123") as raised:
        filled.search("dog like:none.png")
    assert raised.value.position == 4


def test_filters_alone_list_what_passes_without_an_encoder(
    filled: mmsearch.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = filled.encoder.id
    monkeypatch.setattr(mmsearch.Index, "encoder", property(lambda _: pytest.fail("loaded")))
    assert filled.encoder_id == known
    assert len(filled.search("type:image")) == 4
    assert names(filled.search("type:caption")) == ["green"]
    assert names(filled.search("in:deep")) == ["yellow"]
    assert filled.search("type:frame") == []
    assert len(filled.search("ext:png", k=3)) == 3


def test_text_is_quoted_by_literal(filled: mmsearch.Index) -> None:
    text = 'a "red" -photo type:caption {in} on:x'
    with pytest.raises(QueryError):
        filled.search(text)
    hits = filled.search(mmsearch.literal(text) + " type:image")
    assert len(hits) == 4
    assert hits[0].path.stem == "red"


def test_what_a_recording_says_is_no_operator(
    filled: mmsearch.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filled, "transcribe", lambda _: "NOT red, on:x -blue {")
    assert len(filled.search(audio="question.wav", modality="image")) == 4


def test_an_empty_index_and_one_photo(index: mmsearch.Index, photos: Path) -> None:
    for query in ("type:image", "a -b", "-b", "a + b on:2020"):
        assert index.search(query) == []
    index.add(photos / "red.png")
    for query in ("type:image", "a -b", "-b", "a + b", "-red"):
        assert names(index.search(query)) == ["red"]
