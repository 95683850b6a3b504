"""An index is measured as it is, and as its photos would be on their own."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

import mmsearch
from mmsearch.errors import DatasetError, EncoderMismatchError, IndexNotFoundError
from mmsearch.evaluation.datasets import read_captioned_photos
from mmsearch.evaluation.evaluate import decode_photo, evaluate
from mmsearch.evaluation.indexed import evaluate_index
from mmsearch.evaluation.report import EvaluationReport
from mmsearch.testing import TinyEncoder, make_photo

CAPTIONS = [
    ("red.png", "a red barn"),
    ("red.png", "paint"),
    ("green.png", "grass"),
    ("blue.png", "the sea"),
    ("blue.png", "some paint"),
    ("deep/yellow.png", "a red tulip beside a yellow one"),
]


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    path = tmp_path / "captions.tsv"
    path.write_text("image\tcaption\n" + "".join(f"{a}\t{b}\n" for a, b in CAPTIONS))
    return path


def comparable(report: EvaluationReport) -> dict:
    told = report.as_dict()
    for stage in told["reranked"]:
        del stage["text_to_image"]["ms_per_query"]
    return told


def test_an_index_is_measured_as_the_files_would_be(
    index: mmsearch.Index, photos: Path, captions: Path
) -> None:
    index.add(photos)
    from_files = evaluate(
        TinyEncoder(), read_captioned_photos(photos, captions), rerankers=["testing"]
    )
    from_file_of_captions = evaluate_index(index.path, captions=captions, rerankers=["testing"])
    assert comparable(from_file_of_captions) == comparable(from_files)

    index.add(photos, captions=[captions])
    assert index.status().items["caption"] == 6
    from_what_it_knows = evaluate_index(index.path, rerankers=["testing"])
    assert comparable(from_what_it_knows) == comparable(from_files)


def test_companions_count_and_texts_of_their_own_do_not(
    index: mmsearch.Index, photos: Path
) -> None:
    (photos / "red.txt").write_text("a red photo")
    (photos / "notes.md").write_text("a red letter day")
    index.add(photos)
    assert index.status().items["caption"] == 2
    report = evaluate_index(index.path)
    assert report.dataset.captions == ("a red photo",)
    assert report.gallery == 4, "photos without captions are there to be mistaken"
    assert report.as_dict()["text_to_image"]["R@1"] == 100
    assert report.as_dict()["image_to_text"]["R@1"] == 100


def test_no_encoder_is_loaded_for_what_is_stored(
    index: mmsearch.Index, photos: Path, captions: Path
) -> None:
    index.add(photos, captions=[captions])
    index.reencode(TinyEncoder(seed=4))
    for photo in photos.rglob("*.png"):
        photo.unlink()
    dataset_gone = evaluate_index(index.path)
    assert dataset_gone.encoder == "testing@1-seed4", "which cannot be loaded by a name"
    assert (dataset_gone.gallery, dataset_gone.queries) == (4, 6)
    with pytest.raises(EncoderMismatchError):
        evaluate_index(index.path, captions=captions)


def test_names_that_are_not_in_the_index_are_left_out(
    index: mmsearch.Index, photos: Path, captions: Path, caplog: pytest.LogCaptureFixture
) -> None:
    index.add(photos)
    captions.write_text(captions.read_text() + "pink.png\tpink\n")
    with caplog.at_level(logging.WARNING, "mmsearch"):
        assert evaluate_index(index.path, captions=captions).queries == 6
    assert "1 of 7 captions" in caplog.text


def test_captions_of_two_photos_do_not_make_up_for_those_of_none(
    index: mmsearch.Index, photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_photo(tmp_path / "other" / "red.png", "red")
    index.add(photos, tmp_path / "other")
    path = tmp_path / "c.tsv"
    path.write_text("image\tcaption\nred.png\tred\ngone.png\tgone\n./red.png\trose\n")
    with caplog.at_level(logging.WARNING, "mmsearch"):
        report = evaluate_index(index.path, captions=path)
    assert report.dataset.captions == ("red", "rose", "red", "rose")
    assert "1 of 3 captions" in caplog.text


def test_frames_texts_and_photos_that_are_gone_from_the_index(
    index: mmsearch.Index, photos: Path, captions: Path
) -> None:
    """Ids have gaps and other items between them; every embedding must be its own item's."""
    (photos / "a.srt").write_text("1\n00:00:00,000 --> 00:00:02,000\na red barn\n")
    (photos / "notes.md").write_text("a red letter day")
    index.add(photos, captions=[captions])
    (photos / "blue.png").unlink()
    make_photo(photos / "cyan.png", "cyan")
    make_photo(photos / "red.png", "red", (80, 60))
    (photos / "cyan.txt").write_text("cyan")
    index.update()
    told = evaluate_index(index.path)
    assert (told.gallery, told.queries) == (4, 5)
    encoder = TinyEncoder()
    found = told.first.results["text_to_image"].ranking
    for query, caption in enumerate(told.dataset.captions):
        for at, similarity in zip(found.top[query], found.similarities[query], strict=True):
            pixels = encoder.transform(decode_photo(told.dataset.photos[at], encoder.transform))
            expected = encoder.encode_images(pixels[None]) @ encoder.encode_texts([caption])[0]
            assert similarity == pytest.approx(expected[0], abs=2e-3)


def test_the_same_names_in_two_sources(index: mmsearch.Index, photos: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    make_photo(other / "pink.png", "pink")
    make_photo(tmp_path / "single" / "grey.png", "grey")
    index.add(photos, other, tmp_path / "single" / "grey.png")
    path = tmp_path / "c.tsv"
    path.write_text("image\tcaption\nyellow.png\tyellow\npink.png\tpink\ngrey.png\tgrey\n")
    report = evaluate_index(index.path, captions=path)
    asked = [report.dataset.photos[at].stem for at in report.dataset.photo_of_caption]
    assert sorted(asked) == sorted(report.dataset.captions)


def test_a_split_of_the_captions(
    index: mmsearch.Index, photos: Path, captions: Path, tmp_path: Path
) -> None:
    index.add(photos)
    (tmp_path / "split.txt").write_text("red.png\nblue.png\n")
    report = evaluate_index(index.path, captions=captions, split=tmp_path / "split.txt")
    assert (report.queries, report.gallery) == (4, 4)


def test_what_cannot_be_measured(
    index: mmsearch.Index, photos: Path, captions: Path, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match="no photos"):
        evaluate_index(index.path)
    index.add(photos)
    with pytest.raises(DatasetError, match="name a file with --captions"):
        evaluate_index(index.path)
    captions.write_text("image\tcaption\nx.png\tx\n")
    with pytest.raises(DatasetError, match="names a photo"):
        evaluate_index(index.path, captions=captions)
    with pytest.raises(IndexNotFoundError):
        evaluate_index(tmp_path / "nowhere")


def test_an_evaluation_imports_no_torch(
    index: mmsearch.Index, photos: Path, captions: Path
) -> None:
    index.add(photos, captions=[captions])
    code = (
        "import sys; from pathlib import Path\n"
        "from mmsearch.evaluation.indexed import evaluate_index\n"
        f"told = evaluate_index(Path({str(index.path)!r}), rerankers=['testing']).as_dict()\n"
        "import json; print(json.dumps([told['queries'], 'torch' in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [6, False]
