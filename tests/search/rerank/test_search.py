"""Reranking from the outside: `Index.search` and ``mmsearch query``."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mmsearch
from mmsearch.errors import RerankerError, UnknownRerankerError
from mmsearch.items import Modality
from mmsearch.search.normalise import Medium
from mmsearch.search.rerank import registry
from mmsearch.search.rerank.base import Reranker
from mmsearch.testing import TinyEncoder, TinyReranker, make_photo
from tests.filmed import film


class Backwards:
    """Turns the order of all that it is shown around."""

    name = "backwards"
    depth = 3

    def takes(self, asked: Medium, modality: Modality) -> bool:
        return modality is Modality.IMAGE

    def scores(self, query, candidates, *, deadline=None):
        self.query, self.candidates = query, candidates
        return np.arange(len(candidates), dtype=np.float64)


@pytest.fixture
def filled(index: mmsearch.Index, photos: Path) -> mmsearch.Index:
    index.add(photos)
    return index


def names(hits: list[mmsearch.Hit]) -> list[str]:
    return [hit.path.name for hit in hits]


def test_a_reranker_of_ones_own_reorders_the_best(filled: mmsearch.Index) -> None:
    first = filled.search("red grass")
    reranker = Backwards()
    again = filled.search("red grass", rerank=reranker)
    assert names(again) == [*reversed(names(first)[:3]), names(first)[3]]
    assert [hit.rank for hit in again] == [1, 2, 3, 4]
    assert [hit.reranked for hit in again] == [2.0, 1.0, 0.0, None]
    assert {hit.item: hit.score for hit in again} == {hit.item: hit.score for hit in first}
    assert [hit.reranked for hit in first] == [None] * 4
    assert reranker.query == "red grass"
    assert [one.similarity for one in reranker.candidates] == [hit.similarity for hit in first[:3]]


def test_it_looks_deeper_than_k(filled: mmsearch.Index) -> None:
    first = filled.search("red grass")
    assert names(filled.search("red grass", k=1, rerank=Backwards())) == [names(first)[2]]


def test_what_is_brought_up_takes_the_relevance_of_its_place(
    index: mmsearch.Index, tmp_path: Path
) -> None:
    for name, colour in {"a": "red", "b": "orange", "c": "green", "d": "blue"}.items():
        make_photo(tmp_path / "plain" / f"{name}.png", colour)
    index.add(tmp_path / "plain")
    first = [hit.relevance or 0 for hit in index.search("red")]
    again = index.search("red", rerank=Backwards())
    assert [hit.path.name for hit in again].index("a.png") == 2
    assert first[0] > 0.5 > first[2]
    assert [hit.relevance for hit in again] == [*sorted(first[:3], reverse=True), first[3]]


def test_a_name_that_matches_keeps_its_relevance(filled: mmsearch.Index, photos: Path) -> None:
    make_photo(photos / "Halvorsen.png", "grey")
    filled.update()
    first, *_ = filled.search("halvorsen")
    again = filled.search("halvorsen", rerank=Backwards())
    assert first.path.name == "Halvorsen.png"
    assert again[0].item != first.item
    kept = [hit.relevance for hit in again if hit.item == first.item]
    assert kept == [first.relevance]


@pytest.mark.parametrize(
    ("name", "budget", "notice"),
    [
        ("auto", None, "'auto' has nothing for this query"),
        ("expansion", None, "'expansion' has nothing for this query"),
        ("regions", 1e-9, "'regions' judged none of the hits"),
        ("regions", None, ""),
    ],
)
def test_a_second_look_in_vain_is_told(
    filled: mmsearch.Index,
    caplog: pytest.LogCaptureFixture,
    name: str,
    budget: float | None,
    notice: str,
) -> None:
    filled.search("red grass", rerank=name, budget=budget)
    assert notice in caplog.text
    assert bool(notice) == bool(caplog.text)


def test_marks_of_phrases_are_not_for_the_reranker(filled: mmsearch.Index) -> None:
    filled.search('"red"', rerank=(reranker := Backwards()))
    assert reranker.query == "red"


def test_a_query_by_image(filled: mmsearch.Index, photos: Path) -> None:
    filled.search(image=photos / "red.png", rerank=(reranker := Backwards()))
    assert reranker.query.getpixel((0, 0)) == (255, 0, 0)
    assert reranker.query.size == (64, 48), "at full resolution"


def test_captions_keep_their_places_among_photos(filled: mmsearch.Index, photos: Path) -> None:
    (photos / "note.txt").write_text("a red barn on a hill")
    filled.update()
    first = filled.search("red", grouped=False)
    again = filled.search("red", grouped=False, rerank=Backwards())
    text_at = [hit.modality for hit in first].index(Modality.CAPTION)
    assert again[text_at].item == first[text_at].item
    assert again[text_at].reranked is None
    assert names(again) != names(first)


def test_the_testing_reranker_sees_what_the_first_stage_did_not(
    index: mmsearch.Index, tmp_path: Path
) -> None:
    assert isinstance(TinyReranker(), Reranker)
    for number, share in enumerate((0.2, 0.9, 0.5)):
        photo = Image.new("RGB", (100, 100), "blue")
        photo.paste((255, 0, 0), (0, 0, int(100 * share), 100))
        (tmp_path / "mixed").mkdir(exist_ok=True)
        photo.save(tmp_path / "mixed" / f"{number}.png")
    index.add(tmp_path / "mixed")
    hits = index.search("blue red blue", rerank="testing")
    assert [hit.reranked for hit in hits] == pytest.approx([1.0] * 3, abs=0.1), "all red or blue"
    assert names(index.search("red", rerank="testing")) == ["1.png", "2.png", "0.png"]
    assert names(index.search(image=tmp_path / "mixed" / "0.png", rerank="testing"))[0] == "0.png"


def test_what_cannot_be_opened_keeps_its_place(
    filled: mmsearch.Index, photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = filled.search("yellow green")
    first[0].path.unlink()
    first[2].path.write_bytes(b"no photo any more")
    with caplog.at_level(logging.INFO, "mmsearch"):
        again = filled.search("yellow green", rerank="testing")
    assert sorted(names(again)) == sorted(names(first)), "nothing is lost"
    assert again[0].path == first[0].path
    assert again[2].path == first[2].path
    assert [hit.reranked is None for hit in again] == [True, False, True, False]
    assert "no longer there" in caplog.text


def test_where_the_reranker_fails_the_first_stages_hits_are_left(
    filled: mmsearch.Index, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(Backwards):
        def scores(self, query, candidates, *, deadline=None):
            raise self.error

    failing = Failing()
    failing.error = OSError("the model's file is damaged")
    with caplog.at_level(logging.WARNING, "mmsearch"):
        assert filled.search("red", k=2, rerank=failing) == filled.search("red", k=2)
    (record,) = caplog.records
    assert "'backwards' failed: OSError: the model's file is damaged" in record.getMessage()
    failing.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        filled.search("red", rerank=failing)
    assert len(filled.search("red")) == 4, "and nothing is held"


def test_frames_of_videos_are_looked_at_where_they_were_hit(
    index: mmsearch.Index, tmp_path: Path
) -> None:
    scenes = []
    for number, colour in enumerate(("red", "blue")):
        scene = Image.new("RGB", (320, 240), colour)
        for square in range(4):  # a scene of one colour shows nothing and is not indexed
            corner = (30 + 70 * square, 40 + 100 * number)
            scene.paste("white", (*corner, corner[0] + 20, corner[1] + 20))
        scenes.append((scene, 3.0))
    film(tmp_path / "film.mp4", scenes)
    index.add(tmp_path / "film.mp4")
    hits = index.search("blue", modality="frame", grouped=False, rerank="testing")
    assert hits[0].start > 2
    assert hits[0].reranked > 0.7 > 0.3 > hits[1].reranked


def test_unknown_names_say_what_there_is(filled: mmsearch.Index) -> None:
    with pytest.raises(UnknownRerankerError, match="Did you mean testing"):
        filled.search("red", rerank="tseting")
    with pytest.raises(RerankerError, match="takes: "):
        registry.get("x")
    assert all(callable(registry.get(name)) for name in registry.available())


def test_a_named_reranker_is_made_once_for_an_encoder(filled: mmsearch.Index, monkeypatch) -> None:
    made: list[str] = []

    def factory(wanted):
        made.append(wanted.encoder.id)
        return Backwards()

    monkeypatch.setitem(registry._FACTORIES, "backwards", factory)
    filled.search("red", rerank="backwards")
    filled.search("blue", rerank="backwards")
    filled.reencode(TinyEncoder(seed=1))
    filled.search("red", rerank="backwards")
    assert made == ["testing@1", "testing@1-seed1"]


def test_reranking_a_text_query_imports_no_torch(photos: Path, tmp_path: Path) -> None:
    make_photo(photos / "more.png", "pink")
    with mmsearch.create(tmp_path / "index", model="testing") as index:
        index.add(photos)
    code = (
        "import sys, mmsearch\n"
        f"with mmsearch.open({str(tmp_path / 'index')!r}) as index:\n"
        "    assert index.search('red', rerank='testing')[0].reranked is not None\n"
        "print([m for m in ('torch', 'open_clip', 'sqlalchemy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
