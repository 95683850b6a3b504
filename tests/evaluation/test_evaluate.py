from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmsearch.encoders.base import ImageTransform
from mmsearch.errors import DatasetError
from mmsearch.evaluation.datasets import CaptionedPhotos
from mmsearch.evaluation.evaluate import evaluate
from mmsearch.testing import TinyEncoder


def test_report_of_an_encoder_that_knows_colours(colours: CaptionedPhotos) -> None:
    report = evaluate(TinyEncoder(), colours)
    told = report.as_dict()
    assert {key: told[key] for key in ("encoder", "gallery", "queries", "reranked")} == {
        "encoder": TinyEncoder().id,
        "gallery": 8,
        "queries": 16,
        "reranked": [],
    }
    assert told["text_to_image"].items() >= report.text_to_image.as_dict().items()
    perfect = {"R@1": 100.0, "R@5": 100.0, "R@10": 100.0, "MRR": 100.0, "median_rank": 1.0}
    assert told["image_to_text"].items() >= perfect.items()
    assert told["image_to_text"]["intervals"]["R@1"] == [100.0, 100.0]
    assert told["image_to_text"]["mAP"] < 100, "the other caption is like those of others"
    low, high = told["text_to_image"]["intervals"]["R@1"]
    assert low <= told["text_to_image"]["R@1"] <= high
    assert json.loads(json.dumps(told)) == told
    # "something else" is the same text eight times: it finds one photo of eight.
    assert report.text_to_image.as_dict()["R@1"] == pytest.approx(100 * 9 / 16, abs=0.01)


def test_progress_reaches_the_total_over_several_batches(tmp_path: Path) -> None:
    shade = tmp_path / "shade.png"
    Image.new("RGB", (16, 16), "red").save(shade)
    count = 2 * TinyEncoder().batch_size + 1
    decoded: list[Path] = []

    def decode(path: Path, transform: ImageTransform) -> Image.Image:
        decoded.append(path)
        return Image.open(shade)

    photos = tuple(tmp_path / f"{number}.png" for number in range(count))
    dataset = CaptionedPhotos(photos, ("red",) * count, np.arange(count))
    seen: list[tuple[int, int]] = []
    report = evaluate(TinyEncoder(), dataset, progress=lambda *now: seen.append(now), decode=decode)
    assert decoded == list(photos)
    assert [done for done, _ in seen] == [64, 128, 129, 258]
    assert {total for _, total in seen} == {2 * count}
    assert report.text_to_image.recall_at_10 == 0, "all photos tie, and ties do not count"


def test_an_unreadable_photo_is_named(colours: CaptionedPhotos) -> None:
    colours.photos[3].write_bytes(b"not a photo")
    with pytest.raises(DatasetError, match=r"yellow\.png"):
        evaluate(TinyEncoder(), colours)
