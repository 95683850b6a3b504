"""What was encoded is kept, and used only where it still holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from mmsearch.encoders.base import Encoded, Pixels
from mmsearch.errors import TrainingError, UnsupportedFormatError
from mmsearch.evaluation.datasets import CaptionedPhotos
from mmsearch.training.adapt import encoded as cache
from mmsearch.training.adapt.dataset import read_contents
from mmsearch.training.adapt.encoded import EncodedCache, View
from mmsearch.training.adapt.methods import Method
from mmsearch.training.adapt.train import Task, train
from tests.training.adapt.conftest import Counting


def silent(_step: str, _done: int, _total: int) -> None: ...


class Showing(Counting):
    """Shows features, some of them larger than a float16 can be."""

    def images_with_features(self, pixels: Pixels) -> Encoded:
        rows = self.encode_images(pixels)
        return Encoded(rows, rows * np.float32(1e6))

    def texts_with_features(self, texts: Sequence[str]) -> Encoded:
        rows = self.encode_texts(texts)
        return Encoded(rows, rows[:, :5])


def same(one: Encoded, other: Encoded) -> None:
    np.testing.assert_array_equal(one.embeddings, other.embeddings)
    np.testing.assert_array_equal(one.features, other.features)


@pytest.mark.parametrize("kind", [Counting, Showing])
def test_what_is_kept_is_what_was_returned(
    kind: type[Counting], dataset: CaptionedPhotos, tmp_path: Path
) -> None:
    contents = read_contents(dataset, silent)
    results = []
    for folder in ("one", "one", "two"):
        kept = EncodedCache(kind(), tmp_path / folder, silent)
        results.append((kept.photos(contents, View.PLAIN)[0], kept.texts(dataset.captions)))
    for photos, texts in results:
        same(photos, results[0][0])
        same(texts, results[0][1])
        assert (photos.features is photos.embeddings) is (kind is Counting)
        assert np.isfinite(photos.features).all()


@pytest.mark.parametrize("blocked", [".", "encoded"])
def test_works_where_nothing_can_be_kept(
    blocked: str, dataset: CaptionedPhotos, tmp_path: Path
) -> None:
    contents = read_contents(dataset, silent)
    expected = EncodedCache(Counting(), tmp_path / "fine", silent).photos(contents, View.PLAIN)
    (tmp_path / "file").touch()
    kept = EncodedCache(Counting(), tmp_path / "file" / blocked, silent)
    photos, failures = kept.photos(contents, View.PLAIN)
    kept.tidy()
    same(photos, expected[0])
    assert not failures


@pytest.fixture
def undecodable(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of photos for which there is no decoder, for now."""
    names: set[str] = set()
    decode = cache.decode_photo

    def decoded(path: Path, transform: object) -> object:
        if path.name in names:
            raise UnsupportedFormatError("no decoder")
        return decode(path, transform)

    monkeypatch.setattr(cache, "decode_photo", decoded)
    return names


def test_a_photo_that_can_be_read_after_all_is_used(
    dataset: CaptionedPhotos, tmp_path: Path, undecodable: set[str]
) -> None:
    contents, encoder = read_contents(dataset, silent), Counting()
    kept = EncodedCache(encoder, tmp_path, silent)
    undecodable.add("003.png")
    for _ in range(2):
        photos, failures = kept.photos(contents, View.PLAIN)
        assert (len(photos.embeddings), [f.path.name for f in failures]) == (59, ["003.png"])
    assert encoder.images == 59, "kept although one cannot be read"
    undecodable.clear()
    photos, failures = kept.photos(contents, View.PLAIN)
    assert (len(photos.embeddings), failures) == (60, [])


def test_a_photo_that_vanishes_meanwhile_never_shifts_the_others(
    dataset: CaptionedPhotos, tmp_path: Path, undecodable: set[str]
) -> None:
    def vanish(step: str, done: int, total: int) -> None:
        if step == "plain photos" and done == total:
            undecodable.add("003.png")

    with pytest.raises(TrainingError, match=r"003\.png could be read a moment ago"):
        train(Task("mine", "here", Method.HEADS), dataset, Counting(), tmp_path, vanish)


def test_the_oldest_is_dropped_first(
    dataset: CaptionedPhotos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    kept = EncodedCache(Counting(), tmp_path, silent)
    for number, words in enumerate((["a"], ["b"], ["c"])):
        before = set(tmp_path.iterdir())
        kept.texts(words)
        (made,) = set(tmp_path.iterdir()) - before
        os.utime(made, (number, number))
    kept.texts(["a"])  # so that "b" is the one that was not used for longest
    size = made.stat().st_size
    monkeypatch.setattr(cache, "_KEPT_BYTES", 2.5 * size)
    kept.tidy()
    again = Counting()
    for words in (["a"], ["c"], ["b"]):
        EncodedCache(again, tmp_path, silent).texts(words)
    assert again.texts == 1
