"""Heads from scratch on 6,000 photos: what training costs, and what it reaches.

    python benchmarks/train_heads.py FLICKR8K [--model MODEL] [--epochs 30 60 120]

Heads are trained on the pooled features of an encoder's towers for the photos of ``train.txt``, and
measured on those of ``dev.txt``, for each number of epochs; 60 are what the recipe of the embedded
encoder takes. The features are kept in mmsearch's cache folder, so that a second run is about
training alone. Processor time says what it costs where other programs run as well; clock time only
means something on an idle machine.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from measure import markdown

from mmsearch.encoders.embedded.heads import unit
from mmsearch.encoders.registry import load
from mmsearch.evaluation.datasets import read_captioned_photos
from mmsearch.settings import load_settings
from mmsearch.training.adapt.choose import Retrieval
from mmsearch.training.adapt.dataset import read_contents
from mmsearch.training.adapt.encoded import EncodedCache, View
from mmsearch.training.heads import HeadSettings, fit_heads
from mmsearch.training.pairs import Pairs, Rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("flickr8k", type=Path)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--epochs", type=int, nargs="+", default=[30, 60, 120])
    options = parser.parse_args()
    train = encoded(options.flickr8k, "train", options.model)
    dev = encoded(options.flickr8k, "dev", options.model)

    runs = [trained(train, dev, epochs) for epochs in options.epochs]
    best = max(found.score for _, _, found in runs)
    rows: list[Sequence[object]] = [
        [
            epochs,
            f"{processor:.0f}",
            f"{clock:.0f}",
            *figures(found),
            f"{found.score:.1f} ({100 * found.score / best:.1f}%)",
        ]
        for epochs, (processor, clock, found) in zip(options.epochs, runs, strict=True)
    ]
    heading = ["epochs", "CPU s", "clock s", "text to image", "image to text", "MRR (of the best)"]
    print(markdown(heading, rows))


def trained(train: Pairs, dev: Pairs, epochs: int) -> tuple[float, float, Retrieval]:
    """Processor and clock time of training, in seconds, and what it reaches on dev."""
    processor, clock = time.process_time(), time.perf_counter()
    heads = fit_heads(train, HeadSettings(epochs=epochs))
    spent = time.process_time() - processor, time.perf_counter() - clock
    images, texts = heads.image(dev.views[0].features), heads.text(dev.texts.features)
    return *spent, Retrieval.of(unit(images), unit(texts), dev.photo_of_text)


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
