"""Text and image queries with filters, through the library."""

from __future__ import annotations

from pathlib import Path

import pytest

import mmsearch
from mmsearch.errors import EncoderMismatchError, MediaError, QueryError, SourceNotFoundError
from mmsearch.testing import TinyEncoder, make_photo


@pytest.fixture
def filled(index: mmsearch.Index, photos: Path) -> mmsearch.Index:
    index.add(photos)
    return index


def names(hits: list[mmsearch.Hit]) -> list[str]:
    return [hit.path.name for hit in hits]


@pytest.mark.parametrize("colour", ["red", "green", "blue", "yellow"])
def test_a_text_finds_its_photo_first(filled: mmsearch.Index, colour: str) -> None:
    hits = filled.search(f"a {colour} photo")

    assert hits[0].path.name == f"{colour}.png"
    assert [hit.rank for hit in hits] == [1, 2, 3, 4]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert hits[0].modality is mmsearch.Modality.IMAGE
    assert (hits[0].info.width, hits[0].info.height) == (64, 48)


def test_an_image_finds_itself_and_then_its_like(
    filled: mmsearch.Index, photos: Path, tmp_path: Path
) -> None:
    make_photo(photos / "crimson.png", (230, 20, 20))
    filled.add(photos)

    assert names(filled.search(image=photos / "red.png", k=2)) == ["red.png", "crimson.png"]
    outside = make_photo(tmp_path / "outside.jpg", "blue")
    assert names(filled.search(image=outside, k=1)) == ["blue.png"]


def test_k_limits_and_more_than_there_is_gives_all(filled: mmsearch.Index) -> None:
    assert len(filled.search("red", k=2)) == 2
    assert len(filled.search("red", k=10_000)) == 4
    with pytest.raises(QueryError, match="seconds above 0, not -1"):
        filled.search("red", budget=-1)
    with pytest.raises(QueryError, match="at least 1"):
        filled.search("red", k=0)


def test_folder_filters_act_before_the_best_are_chosen(
    filled: mmsearch.Index, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos)
    for folder in (photos / "deep", "deep", "./deep/", "../photos/deep", Path("deep")):
        assert names(filled.search("red", folder=folder, k=1)) == ["yellow.png"]
    assert len(filled.search("red", folder=photos)) == 4
    assert len(filled.search("red", folder=photos.parent)) == 4
    assert names(filled.search("red", folder=photos / "blue.png")) == ["blue.png"]


def test_a_folder_inside_a_source_is_found_from_anywhere(
    filled: mmsearch.Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert names(filled.search("red", folder="deep")) == ["yellow.png"]


def test_a_folder_that_is_not_indexed_is_an_error(filled: mmsearch.Index, photos: Path) -> None:
    with pytest.raises(QueryError, match="indexed sources are"):
        filled.search("red", folder="dee")


def test_modality_filters(filled: mmsearch.Index) -> None:
    assert len(filled.search("red", modality="image")) == 4
    assert filled.search("red", modality=mmsearch.Modality.CAPTION) == []
    with pytest.raises(QueryError, match="known are image"):
        filled.search("red", modality="smell")


@pytest.mark.parametrize("query", [{}, {"text": "red", "audio": "x.mp3"}, {"text": "  "}])
def test_a_query_needs_a_question(filled: mmsearch.Index, query: dict) -> None:
    with pytest.raises(QueryError):
        filled.search(**query)


def test_an_image_query_that_cannot_be_read(filled: mmsearch.Index, tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError):
        filled.search(image=tmp_path / "nowhere.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"")
    with pytest.raises(MediaError, match=r"^broken\.jpg cannot be read: the file is empty\.$"):
        filled.search(image=tmp_path / "broken.jpg")
    with pytest.raises(MediaError, match=r"^broken\.jpg cannot be read"):
        filled.search(f"{tmp_path / 'broken.jpg'} + at night", files=True)


def test_an_encoder_of_ones_own_opens_its_index_and_no_other(filled: mmsearch.Index) -> None:
    filled.reencode(TinyEncoder(seed=7))
    with mmsearch.open(filled.path, encoder=TinyEncoder(seed=7)) as again:
        assert names(again.search("red", k=1)) == ["red.png"]
    with pytest.raises(EncoderMismatchError, match="reencode"):
        mmsearch.open(filled.path, encoder=TinyEncoder(seed=8))


def test_the_index_of_another_encoder_is_refused(filled: mmsearch.Index) -> None:
    filled.reencode(TinyEncoder(seed=7))
    with (
        mmsearch.open(filled.path) as again,
        pytest.raises(EncoderMismatchError, match="mmsearch index --model"),
    ):
        again.search("red")


def test_the_working_directory_is_no_photo(
    index: mmsearch.Index, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add(photos / "red.png")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    with pytest.raises(QueryError):
        index.search("red", folder=".")
