"""Items by the names that people give them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import mmsearch
from mmsearch.catalog.reader import CatalogReader
from mmsearch.errors import QueryError
from mmsearch.search.reference import resolve_items


def resolved(index: mmsearch.Index, name: str) -> list[str]:
    reader = CatalogReader(index.path)
    try:
        items = resolve_items(reader, name)
        return [f"{reader.items([item])[item].path.name} {item}" for item in items]
    finally:
        reader.close()


@pytest.fixture
def filled(index: mmsearch.Index, photos: Path) -> mmsearch.Index:
    (photos / "red.txt").write_text("a red square")
    index.add(photos)
    return index


def test_a_file_stands_for_all_its_items(
    filled: mmsearch.Index, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hit = filled.search("red", k=1)[0]
    items = sorted([hit.item, *(other.item for other in hit.others)])
    assert len(items) == 2
    monkeypatch.chdir(photos / "deep")
    for name in (str(photos / "red.png"), "../red.png", "red.png"):
        assert resolved(filled, name) == [f"red.png {item}" for item in items]
    assert resolved(filled, "deep/yellow.png") == resolved(filled, "yellow.png")


def test_a_number_stands_for_one_item(filled: mmsearch.Index) -> None:
    hit = filled.search("blue", k=1)[0]
    assert resolved(filled, f"#{hit.item}") == [f"blue.png {hit.item}"]


def test_a_single_file_as_a_source_and_a_home(
    index: mmsearch.Index, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add(photos / "blue.png")
    monkeypatch.setenv("HOME", str(photos))
    monkeypatch.setenv("USERPROFILE", str(photos))
    assert len(resolved(index, str(photos / "blue.png"))) == 1
    assert resolved(index, "~/blue.png") == resolved(index, str(photos / "blue.png"))


def test_files_that_have_moved_are_named_by_their_paths_in_the_source(
    filled: mmsearch.Index, photos: Path
) -> None:
    shutil.rmtree(photos)
    assert resolved(filled, "deep/yellow.png")


@pytest.mark.parametrize("name", ["", "deep", "#99999", "#12x", "grey.png", "#1" + "0" * 30, "\0"])
def test_what_is_not_indexed_is_an_error_with_a_remedy(filled: mmsearch.Index, name: str) -> None:
    with pytest.raises(QueryError, match=r"#123|query --json"):
        resolved(filled, name)
