"""Why an item answers: scores, words and regions."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mmsearch
from mmsearch.encoders.base import Encoded, ImageTransform, Pixels, Regions
from mmsearch.errors import QueryError
from mmsearch.search.explain.draw import draw_heat
from mmsearch.search.explain.regions import LONGEST, cut_outs, similarity_maps
from mmsearch.testing import TinyEncoder, make_photo

DEMO = Path(__file__).resolve().parents[2] / "indexes" / "demo"


@pytest.fixture
def index(tmp_path: Path) -> mmsearch.Index:
    photos = tmp_path / "photos"
    half = Image.new("RGB", (120, 80), "red")
    half.paste((0, 0, 255), (80, 40, 120, 80))
    photos.mkdir()
    half.save(photos / "corner.png")
    (photos / "corner.txt").write_text("A blue corner on a red wall, seen by Müller.\n")
    for name in ("green", "yellow", "black", "white"):
        make_photo(photos / f"{name}.png", name)
    index = mmsearch.create(tmp_path / "index", model="testing")
    index.add(photos)
    return index


def image_of(index: mmsearch.Index, name: str) -> int:
    hits = index.search(f"{name} type:image", grouped=False, fold=False)
    return next(hit.item for hit in hits if hit.path.stem == name)


def test_it_says_where_in_the_picture(index: mmsearch.Index) -> None:
    found = index.explain(image_of(index, "corner"), "blue")
    assert found.regions is not None
    x, y = found.regions.peak
    assert x > 0.6
    assert y > 0.5
    assert found.regions.share < 0.5
    rows, columns = found.regions.similarities.shape
    assert (rows, columns) == (round(LONGEST * 2 / 3), LONGEST)


def test_its_scores_are_those_of_the_search(index: mmsearch.Index) -> None:
    hits = index.search("a red wall", grouped=False, fold=False)
    for hit in hits:
        found = index.explain(hit.item, "a red wall")
        assert (found.rank, found.score, found.relevance) == (hit.rank, hit.score, hit.relevance)
        assert found.ranked == len(hits)
        assert found.path == hit.path


def test_of_a_file_the_best_item_is_explained(index: mmsearch.Index) -> None:
    found = index.explain("corner.png", "seen by Müller")
    assert found.modality is mmsearch.Modality.CAPTION
    assert found.words_gain > 0
    assert found.coverage == 1
    assert found.regions is not None  # of the photo that it is about


def test_words_of_the_item_that_matter(index: mmsearch.Index) -> None:
    found = index.explain("corner.png", "muller's blue", rerank=None)
    text = found.text or ""
    assert [text[word.start : word.end] for word in found.words] == [w.word for w in found.words]
    effects = {word.word: word.effect for word in found.words}
    assert max(effects, key=effects.__getitem__) == "blue"
    assert effects["red"] < 0
    assert {word.word for word in found.words if word.matched} == {"blue"}


def test_words_and_terms_of_the_query(index: mmsearch.Index) -> None:
    (term,) = index.explain(image_of(index, "corner"), "red seldom").terms
    effects = {word.word: word.effect for word in term.words}
    assert effects["red"] > effects["seldom"]

    found = index.explain(image_of(index, "corner"), "green -red")
    assert [(term.text, term.wanted) for term in found.terms] == [("green", True), ("red", False)]
    green, red = found.terms
    assert red.standing > 0 > green.standing
    assert red.rank is not None
    assert green.rank is not None
    assert red.rank < green.rank
    assert index.explain(image_of(index, "corner"), "green").terms[0].words == ()


def test_an_item_that_does_not_pass_has_scores_but_no_rank(index: mmsearch.Index) -> None:
    found = index.explain(image_of(index, "corner"), "red type:caption")
    assert found.rank is None
    assert found.unranked == "it does not pass the query's filters"
    assert found.standing > 0
    assert found.terms[0].rank is not None


def test_a_photo_that_is_gone_still_has_scores(index: mmsearch.Index, tmp_path: Path) -> None:
    item = image_of(index, "corner")
    (tmp_path / "photos" / "corner.png").unlink()
    found = index.explain(item, "red")
    assert found.rank is not None
    assert found.regions is None
    assert found.unreadable


def test_the_reranker_is_heard(index: mmsearch.Index) -> None:
    found = index.explain(image_of(index, "corner"), "red", rerank="testing")
    assert found.reranked is not None
    assert found.reranked > 0.5
    assert found.reranked_rank is not None


def test_what_cannot_be_explained(index: mmsearch.Index) -> None:
    with pytest.raises(QueryError, match=r"nowhere\.png"):
        index.explain("nowhere.png", "red")
    with pytest.raises(QueryError, match="empty"):
        index.explain("corner.png", "  ")
    with pytest.raises(QueryError, match="only filters"):
        index.explain("corner.png", "type:image")


def test_an_index_of_one_photo(tmp_path: Path) -> None:
    make_photo(tmp_path / "photos" / "rose.png", "red", size=(1, 1))
    index = mmsearch.create(tmp_path / "index", model="testing")
    index.add(tmp_path / "photos")
    found = index.explain("rose.png", "red or not")
    assert found.rank == found.ranked == 1
    assert found.regions is not None
    assert found.regions.draw("red").width >= 1


def test_what_is_said_in_a_recording() -> None:
    index = mmsearch.open(DEMO)
    hit = index.search("a light on the cliff type:transcript", k=1, grouped=False)[0]
    found = index.explain(hit.item, "a light on the cliff")
    assert (found.start, found.end) == (hit.start, hit.end)
    assert found.words
    assert found.regions is None
    assert found.unreadable is None


def test_a_heat_map_keeps_the_picture_and_adds_a_legend(index: mmsearch.Index) -> None:
    found = index.explain(image_of(index, "corner"), "blue")
    assert found.regions is not None
    drawn = found.regions.draw("blue " * 200)
    width, height = 320, 213
    assert drawn.width == width
    assert height < drawn.height < 2 * height
    pixels = np.asarray(drawn, dtype=float)
    hot, cold = pixels[190, 300], pixels[20, 20]
    assert hot.sum() > cold.sum()


class Quarters(TinyEncoder):
    """Takes the quarters of what it encodes for regions."""

    def encode_regions(self, pixels: Pixels) -> Regions:
        rows = [np.split(half, 2, axis=2) for half in np.split(pixels, 2, axis=1)]
        quarters = np.concatenate([np.tile(one, (1, 2, 2, 1)) for row in rows for one in row])
        embeddings = self.encode_images(quarters)
        return Regions(2, 2, Encoded(embeddings, embeddings))


@pytest.mark.parametrize("encoder", [TinyEncoder(), Quarters()], ids=["cut-outs", "regions"])
@pytest.mark.parametrize("size", [(200, 200), (300, 90), (7, 60), (2000, 3)])
def test_a_map_points_at_its_quarter(encoder: TinyEncoder, size: tuple[int, int]) -> None:
    picture = Image.new("RGB", size, "white")
    width, height = size
    picture.paste((255, 0, 0), (width // 2, height // 2, width, height))
    (red,) = similarity_maps(encoder, picture, encoder.encode_texts(["red"]))
    rows, columns = red.shape
    assert max(rows, columns) == LONGEST
    assert np.isfinite(red).all()
    half = columns // 2
    if min(rows, columns) > 1:
        assert red[rows // 2 :, half:].mean() > red[: rows // 2, :half].mean()


@pytest.mark.parametrize("mode", ["squash", "shortest", "longest"])
def test_cut_outs_cover_the_picture(mode: str) -> None:
    transform = ImageTransform(224, 224, mode, "bicubic")  # type: ignore[arg-type]
    for size in ((640, 480), (480, 1200), (31, 64)):
        seen = np.zeros(size[::-1], bool)
        boxes = cut_outs(size, transform, 1 / 3, 5)
        for left, upper, right, lower in boxes:
            assert 0 <= left < right <= size[0] + 1
            assert 0 <= upper < lower <= size[1] + 1
            if mode != "squash":
                assert abs((right - left) - (lower - upper)) <= 2
            seen[upper:lower, left:right] = True
        assert seen.all()
    assert len(cut_outs((300, 300), transform, 1 / 3, 5)) == 25


def test_the_command_line(
    index: mmsearch.Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mmsearch.cli import main

    item, png = image_of(index, "corner"), tmp_path / "heat.png"
    given = ["explain", f"#{item}", "blue wall", "--index", str(index.path), "--png", str(png)]
    with pytest.raises(SystemExit) as ended:
        main([*given, "--json"])
    assert ended.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["item"] == item
    assert found["terms"][0]["words"][0]["word"] == "blue"
    assert found["regions"]["peak"][0] > 0.6
    with Image.open(png) as drawn:
        assert drawn.format == "PNG"

    with pytest.raises(SystemExit):
        main(given)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"#{item} ")
    assert any("blue" in line and "+" in line for line in lines)
    assert any(line.startswith("Seen most in the lower right") for line in lines)

    with pytest.raises(SystemExit) as ended:
        main([*given[:-1], str(tmp_path / "no" / "heat.png")])
    assert ended.value.code == 1
    assert "cannot be written" in capsys.readouterr().err


def test_a_drawing_replaces_no_photo(
    index: mmsearch.Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mmsearch.cli import main

    photo = tmp_path / "photos" / "corner.png"
    before = photo.read_bytes()
    given = ["explain", str(photo), "blue", "--index", str(index.path), "--png", str(photo)]
    with pytest.raises(SystemExit) as ended:
        main(given)
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert "name another" in said.err
    assert said.out.startswith("#")  # what was found is not lost
    assert photo.read_bytes() == before


def test_a_photo_that_was_replaced_is_not_looked_at(index: mmsearch.Index, tmp_path: Path) -> None:
    item, photo = image_of(index, "corner"), tmp_path / "photos" / "corner.png"
    os.utime(photo, (1e9, 1e9))  # touched, and still the same
    assert index.explain(item, "blue").regions is not None
    make_photo(photo, "blue")
    found = index.explain(item, "blue")
    assert found.regions is None
    assert "changed" in (found.unreadable or "")


def test_a_legend_without_the_letters_for_it_is_left_out() -> None:
    picture, heat = Image.new("RGB", (40, 30)), np.zeros((3, 4), np.float32)
    plain = draw_heat(picture, heat)
    assert draw_heat(picture, heat, "a \uffff").tobytes() == plain.tobytes()
    assert draw_heat(picture, heat, "a dog").height > plain.height
