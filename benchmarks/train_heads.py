"""Heads from scratch: the trainer of ``mmsearch train`` against the embedded encoder's own.

    python benchmarks/train_heads.py FLICKR8K [--model MODEL]

Both train on the pooled features of an encoder's towers for the photos of ``train.txt``, and are
measured on those of ``dev.txt``. The features are kept in mmsearch's cache folder, so that a second
run is about training alone. Seconds are of processor time, which other programs disturb least.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from measure import markdown

from mmsearch.encoders.base import Features
from mmsearch.encoders.embedded.heads import unit
from mmsearch.encoders.registry import load
from mmsearch.evaluation.datasets import read_captioned_photos
from mmsearch.settings import load_settings
from mmsearch.training.adapt.choose import Retrieval
from mmsearch.training.adapt.dataset import read_contents
from mmsearch.training.adapt.encoded import EncodedCache, View
from mmsearch.training.adapt.heads import HeadSettings, fit_heads
from mmsearch.training.adapt.pairs import Pairs, Rows
from mmsearch.training.align import AlignmentSettings, align

Map = Callable[[Features], Features]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("flickr8k", type=Path)
    parser.add_argument("--model", default="embedded")
    options = parser.parse_args()
    train = encoded(options.flickr8k, "train", options.model)
    dev = encoded(options.flickr8k, "dev", options.model)

    def by_align() -> tuple[Map, Map]:
        views = [view.features for view in train.views]
        texts = train.texts.features
        image, text = align(views, texts, train.photo_of_text, AlignmentSettings(), silent)
        return (
            lambda rows: rows @ image.weight + image.bias,
            lambda rows: rows @ text.weight + text.bias,
        )

    def by_fit_heads() -> tuple[Map, Map]:
        heads = fit_heads(train, HeadSettings())
        return heads.image, heads.text

    rows: list[Sequence[object]] = []
    best = None
    for name, trainer in (("the recipe's `align`", by_align), ("`fit_heads`", by_fit_heads)):
        started = time.process_time()
        image, text = trainer()
        seconds = time.process_time() - started
        found = Retrieval.of(
            unit(image(dev.views[0].features)), unit(text(dev.texts.features)), dev.photo_of_text
        )
        best = best or found
        share = 100 * found.score / best.score
        rows.append([name, f"{seconds:.0f}", *figures(found), f"{share:.1f}%"])
    print(markdown(["trainer", "CPU s", "text to image", "image to text", "of the MRR"], rows))


def encoded(flickr8k: Path, split: str, model: str) -> Pairs:
    """The photos of a split, plain and mirrored, and their captions."""
    dataset = read_captioned_photos(
        flickr8k / "images", flickr8k / "captions.tsv", split=flickr8k / f"{split}.txt"
    )
    cache = EncodedCache(load(model), load_settings().cache / "encoded", silent)
    contents = read_contents(dataset, silent)
    return Pairs(
        [Rows(cache.photos(contents, view)[0].features) for view in View],
        Rows(cache.texts(contents.dataset.captions).features),
        contents.dataset.photo_of_caption.astype(np.int64),
    )


def figures(found: Retrieval) -> list[str]:
    """R@1 / R@5 / R@10 of both directions."""
    return [
        f"{metrics.recall_at_1:.1f} / {metrics.recall_at_5:.1f} / {metrics.recall_at_10:.1f}"
        for metrics in (found.text_to_image, found.image_to_text)
    ]


def silent(_step: str, _done: int, _total: int) -> None:
    pass


if __name__ == "__main__":
    main()
