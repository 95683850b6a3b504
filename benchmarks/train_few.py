"""Training on a few photos of one kind: what it brings there, and what it costs elsewhere.

    python benchmarks/train_few.py FLICKR8K [--class-names IMAGENET] [--method METHOD]

For each word, 300 photos of Flickr8k's dev and test parts with the word in at least two of their
captions are given to a method of ``mmsearch train``, and retrieval is measured before and after: on
100 other photos of that kind, on all photos without the word, and on photos found by the name of
their class alone. (The embedded encoder was itself made from the train part.) Every row is the
mean over several seeds, each with another choice of the 300. Nothing is stored.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measure import markdown
from numpy.typing import NDArray

from mmsearch.encoders.adapted import Heads
from mmsearch.encoders.base import Encoded
from mmsearch.encoders.registry import load
from mmsearch.evaluation.datasets import CaptionedPhotos, read_captioned_photos
from mmsearch.settings import load_settings
from mmsearch.training.adapt.choose import EncodedPairs, Retrieval, choose
from mmsearch.training.adapt.dataset import read_contents
from mmsearch.training.adapt.encoded import EncodedCache, View
from mmsearch.training.adapt.methods import Method, learn

WORDS = {
    "dogs": r"\bdogs?\b",
    "water": r"\b(water|pool|ocean|sea|lake|beach)\b",
    "children": r"\b(child|children|boys?|girls?)\b",
}
TRAINED, OTHERS, HELD_OUT = 300, 100, 45


@dataclass(frozen=True)
class Collection:
    """An encoded data set; ``mirrored`` are the same photos."""

    dataset: CaptionedPhotos
    pairs: EncodedPairs
    mirrored: Encoded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("flickr8k", type=Path)
    parser.add_argument("--class-names", type=Path, metavar="IMAGENET")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--method", default="heads", choices=list(Method))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    encoder = load(options.model)
    cache = EncodedCache(encoder, load_settings().cache / "encoded", silent)
    captions = options.flickr8k / "captions.tsv"
    flickr8k = encoded(cache, options.flickr8k / "images", captions, options.flickr8k)
    named = None
    if options.class_names:
        labels = options.class_names / "labels.tsv"
        named = encoded(cache, options.class_names / "images", labels, None).pairs
    rows: list[Sequence[object]] = []
    for word, pattern in WORDS.items():
        runs = [
            one_run(flickr8k, named, pattern, Method(options.method), seed)
            for seed in range(options.seeds)
        ]
        for where in runs[0]:
            before, after = (
                np.mean([figures(run[where][when]) for run in runs], axis=0) for when in (0, 1)
            )
            cells = [f"{old:.1f} → {new:.1f}" for old, new in zip(before, after, strict=True)]
            rows.append([word, where, *cells])
    heading = ["kind", "measured on"]
    heading += [f"{way} {k}" for way in ("text to image", "image to text") for k in ("R@1", "R@5")]
    print(markdown(heading, rows))


def one_run(
    flickr8k: Collection, named: EncodedPairs | None, pattern: str, method: Method, seed: int
) -> dict[str, tuple[Retrieval, Retrieval]]:
    """Trains once; the metrics before and after, by where they were measured."""
    kind, elsewhere = of_kind(flickr8k.dataset, pattern)
    kind = np.random.default_rng(seed).permutation(kind)
    held_out, learnt = kind[:HELD_OUT], kind[HELD_OUT:TRAINED]
    choice = choose(
        learn(
            method,
            flickr8k.pairs.part(learnt),
            flickr8k.mirrored.rows(learnt),
            flickr8k.pairs.part(held_out),
            seed=seed,
            progress=silent,
        ).candidates,
        flickr8k.pairs.part(held_out),
    )
    # As `mmsearch train` does: what is no better is not used.
    better = choice.best.retrieval.score > choice.before.score
    heads = choice.heads if better else Heads(None, None)
    measured = {
        f"{OTHERS} others of that kind": flickr8k.pairs.part(kind[TRAINED : TRAINED + OTHERS]),
        "photos without the word": flickr8k.pairs.part(elsewhere),
    }
    if named is not None:
        measured["photos by class name"] = named
    base = Heads(None, None)
    return {
        name: (pairs.retrieval(base), pairs.retrieval(heads)) for name, pairs in measured.items()
    }


def of_kind(dataset: CaptionedPhotos, pattern: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Photos with a word in two captions or more, and those with it in none."""
    counts = np.zeros(len(dataset.photos), dtype=np.int64)
    for caption, photo in zip(dataset.captions, dataset.photo_of_caption, strict=True):
        counts[photo] += re.search(pattern, caption.lower()) is not None
    return np.flatnonzero(counts >= 2), np.flatnonzero(counts == 0)


def encoded(cache: EncodedCache, images: Path, captions: Path, splits: Path | None) -> Collection:
    """Encodes a data set: all of it, or the dev and test parts that ``splits`` lists."""
    if splits is None:
        dataset = read_captioned_photos(images, captions)
    else:
        parts = [
            read_captioned_photos(images, captions, split=splits / f"{name}.txt")
            for name in ("dev", "test")
        ]
        dataset = CaptionedPhotos(
            photos=parts[0].photos + parts[1].photos,
            captions=parts[0].captions + parts[1].captions,
            photo_of_caption=np.concatenate(
                [parts[0].photo_of_caption, parts[1].photo_of_caption + len(parts[0].photos)]
            ),
        )
    contents = read_contents(dataset, silent)
    photos, mirrored = (cache.photos(contents, view)[0] for view in View)
    texts = cache.texts(contents.dataset.captions)
    pairs = EncodedPairs(photos, texts, contents.dataset.photo_of_caption)
    return Collection(contents.dataset, pairs, mirrored)


def figures(found: Retrieval) -> list[float]:
    metrics = (found.text_to_image, found.image_to_text)
    return [value for one in metrics for value in (one.recall_at_1, one.recall_at_5)]


def silent(_step: str, _done: int, _total: int) -> None:
    pass


if __name__ == "__main__":
    main()
