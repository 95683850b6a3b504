"""Searching captions by a photo ranks them just as `mmsearch eval` measures it."""

from __future__ import annotations

from pathlib import Path

import pytest

import mmsearch
from mmsearch.encoders.registry import load
from mmsearch.evaluation.datasets import read_captioned_photos
from mmsearch.evaluation.evaluate import evaluate
from tests.conftest import SHARED_DATA

FLICKR = SHARED_DATA / "flickr8k"


@pytest.mark.slow
@pytest.mark.skipif(not FLICKR.is_dir(), reason="Flickr8k (../shared/data) is not here")
def test_recall_of_image_to_caption_is_that_of_eval(tmp_path: Path) -> None:
    encoder = load("embedded")
    dataset = read_captioned_photos(
        FLICKR / "images", FLICKR / "captions.tsv", split=FLICKR / "test.txt"
    )
    measured = evaluate(encoder, dataset).image_to_text.as_dict()
    photos = tmp_path / "photos"
    photos.mkdir()
    for photo in dataset.photos:
        (photos / photo.name).symlink_to(photo)

    ranks = []
    with mmsearch.create(tmp_path / "index", model=encoder) as index:
        index.add(photos, captions=[FLICKR / "captions.tsv"])
        assert index.status().items == {"image": 1000, "caption": 5000}
        for photo in dataset.photos:
            hits = index.search(image=photo, modality="caption", k=10, grouped=False)
            assert len(hits) == 10
            ranks.append(next((hit.rank for hit in hits if hit.path.name == photo.name), 99))

    for k in (1, 5, 10):
        recall = 100 * sum(rank <= k for rank in ranks) / len(ranks)
        assert recall == pytest.approx(measured[f"R@{k}"], abs=0.11)  # one photo more or less
