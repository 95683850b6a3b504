"""A bigger encoder over the best candidates, and what is kept of photos on disk."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmsearch.encoders.registry import load
from mmsearch.items import Modality
from mmsearch.search.normalise import Medium
from mmsearch.search.rerank.base import Deadline, Reranker
from mmsearch.search.rerank.cache import EmbeddingCache
from mmsearch.search.rerank.cascade import Cascade
from mmsearch.search.rerank.reorder import rerank
from mmsearch.testing import TinyEncoder, make_photo
from tests.search.rerank.conftest import caption, noise, photo

COLOURS = ("red", "green", "blue", "yellow", "black", "white", "orange", "purple", "pink", "cyan")


class Counting(TinyEncoder):
    """Counts the photos that it is asked for, and may cancel while it works."""

    photos = 0
    deadline: Deadline | None = None

    def encode_images(self, pixels):
        self.photos += len(pixels)
        if self.deadline is not None:
            self.deadline.cancel()
        return super().encode_images(pixels)


@pytest.fixture
def colours(tmp_path: Path) -> list[Path]:
    return [make_photo(tmp_path / "photos" / f"{name}.png", name) for name in COLOURS]


def test_scores_are_the_bigger_encoders(colours: list[Path]) -> None:
    encoder = TinyEncoder()
    reranker = Cascade(encoder)
    assert isinstance(reranker, Reranker)
    found = rerank("a blue thing", [photo(path) for path in colours], reranker)
    pixels = np.stack([encoder.transform(Image.open(path)) for path in colours])
    expected = encoder.encode_images(pixels) @ encoder.encode_texts(["a blue thing"])[0]
    np.testing.assert_allclose(found.scores, expected, atol=1e-3)
    assert colours[found.order[0]].stem == "blue"


def test_pictures_and_texts_for_a_picture(colours: list[Path]) -> None:
    reranker = Cascade(TinyEncoder())
    candidates = [caption("green grass"), photo(colours[0]), caption("red"), photo(colours[1])]
    asked = Image.new("RGB", (20, 20), "red")
    result = rerank(asked, candidates, reranker)
    assert result.order.tolist() == [2, 1, 0, 3], "each among its own"
    assert not reranker.takes(Medium.TEXT, Modality.CAPTION)
    assert not np.isnan(result.scores).any()


def test_an_open_clip_checkpoint(tiny: str, tiny_file: Path, tmp_path: Path) -> None:
    encoder = load(f"{tiny}:{tiny_file}", device="cpu")
    candidates = [photo(noise(tmp_path / f"{seed}.png", seed)) for seed in range(11)]
    whole = Cascade(encoder).scores("a dog", candidates)
    alone = [Cascade(encoder).scores("a dog", [one])[0] for one in candidates]
    np.testing.assert_allclose(whole, alone, atol=5e-3)
    assert np.ptp(whole) > 0.01


def test_photos_are_encoded_once_whatever_they_are_called(
    colours: list[Path], cache: Path, tmp_path: Path
) -> None:
    first = Counting()
    scores = Cascade(first, cache=EmbeddingCache(cache)).scores("red", [*map(photo, colours)])
    assert first.photos == len(colours)
    copies = [path.rename(tmp_path / f"moved-{path.name}") for path in colours]
    again = Counting()
    kept = [photo(path) for path in copies]
    np.testing.assert_allclose(
        Cascade(again, cache=EmbeddingCache(cache)).scores("red", kept), scores, atol=1e-3
    )
    assert again.photos == 0
    assert [one.open.opened for one in kept] == [0] * len(kept)


def test_other_content_another_encoder_or_another_moment_is_another_picture(
    colours: list[Path], cache: Path
) -> None:
    kept = EmbeddingCache(cache)
    one = Counting()
    Cascade(one, cache=kept).scores("red", [photo(colours[0])])
    before = colours[0].stat()
    make_photo(colours[0], "blue")
    os.utime(colours[0], ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    Cascade(one, cache=kept).scores("red", [photo(colours[0])])
    assert one.photos == 2
    Cascade(one, cache=kept).scores("red", [photo(colours[0], time=3.5)])
    assert one.photos == 3
    other = Counting(seed=1)
    Cascade(other, cache=kept).scores("red", [photo(colours[0])])
    assert other.photos == 1


def test_where_nothing_can_be_kept_everything_works(colours: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    damaged = tmp_path / "damaged" / "rerank" / "embeddings.sqlite"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"no database" * 1000)
    expected = Cascade(TinyEncoder()).scores("red", [*map(photo, colours)])
    for folder in (tmp_path / "file", tmp_path / "damaged"):
        encoder = Counting()
        reranker = Cascade(encoder, cache=EmbeddingCache(folder))
        np.testing.assert_array_equal(reranker.scores("red", [*map(photo, colours)]), expected)
        assert encoder.photos == len(colours)


@pytest.mark.parametrize(
    "damage",
    [
        "vectors = substr(vectors, 1, 5)",
        "vectors = NULL",
        "vectors = x''",
        "vectors = 'text'",
        "dim = 0",
        "dim = 7",
        "vectors = zeroblob(3)",
    ],
)
def test_what_is_damaged_is_embedded_again(colours: list[Path], cache: Path, damage: str) -> None:
    candidates = [*map(photo, colours)]
    expected = Cascade(TinyEncoder(), cache=EmbeddingCache(cache)).scores("red", candidates)
    with closing(sqlite3.connect(cache / "rerank" / "embeddings.sqlite")) as database:
        database.execute(f"UPDATE embedding SET {damage}")
        database.commit()
    for looks in (len(colours), 0):
        encoder = Counting()
        found = Cascade(encoder, cache=EmbeddingCache(cache)).scores("red", candidates)
        np.testing.assert_allclose(found, expected, atol=2e-3)
        assert encoder.photos == looks


def test_a_damaged_cache_is_begun_anew(colours: list[Path], cache: Path) -> None:
    path = cache / "rerank" / "embeddings.sqlite"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database" * 1000)
    candidates = [*map(photo, colours)]
    Cascade(TinyEncoder(), cache=EmbeddingCache(cache)).scores("red", candidates)
    encoder = Counting()
    Cascade(encoder, cache=EmbeddingCache(cache)).scores("red", candidates)
    assert encoder.photos == 0


def test_no_file_is_read_once_time_is_up(
    colours: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    monkeypatch.setattr("mmsearch.search.rerank.cache.hash_file", read.append)
    reranker = Cascade(TinyEncoder(), cache=EmbeddingCache(cache))
    scores = reranker.scores("red", [*map(photo, colours)], deadline=Deadline(0))
    assert np.isnan(scores).all()
    assert not read


def test_the_cache_keeps_below_its_limit(cache: Path, tmp_path: Path) -> None:
    kept = EmbeddingCache(cache, limit=100_000)
    rows = np.ones((1, 500), dtype=np.float32)
    for number in range(300):
        kept.put("model", {str(number): rows})
    assert "299" in kept.get("model", ["299"], 500)
    assert not kept.get("model", ["0"], 500)
    path = cache / "rerank" / "embeddings.sqlite"
    with closing(sqlite3.connect(path)) as database:
        (count,) = database.execute("SELECT count(*) FROM embedding").fetchone()
    assert 20 < count < 100
    assert path.stat().st_size < 200_000


def test_files_that_are_gone_are_not_judged(colours: list[Path], cache: Path) -> None:
    candidates = [photo(path) for path in colours]
    colours[2].unlink()
    scores = Cascade(TinyEncoder(), cache=EmbeddingCache(cache)).scores("red", candidates)
    assert np.flatnonzero(np.isnan(scores)).tolist() == [2]


def test_cancelled_between_batches(colours: list[Path]) -> None:
    encoder = Counting()
    encoder.deadline = Deadline(float("inf"))
    found = rerank("pink", [*map(photo, colours)], Cascade(encoder), deadline=encoder.deadline)
    assert encoder.photos == 8, "one batch"
    assert np.isnan(found.scores[8:]).all()
    assert found.order[8:].tolist() == [8, 9]
