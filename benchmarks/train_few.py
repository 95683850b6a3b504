"""Training on a few photos of one kind: what it brings there, and what it costs elsewhere.

    python benchmarks/train_few.py FLICKR8K [--class-names IMAGENET] [--method METHOD] [--splits 10]

For each kind, 300 photos of Flickr8k's dev and test parts with its word in a caption are given to a
method of ``mmsearch train``, and retrieval is measured before and after: on 100 other photos of
that kind, on 500 photos without the word, and on photos found by the name of their class alone.
(The embedded encoder was itself made from the train part.) Every row is the mean over several
choices of the photos, with the 95% interval of the mean difference over them. Nothing is stored.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from measure import markdown
from numpy.typing import NDArray

from mmsearch.encoders.adapted import Heads
from mmsearch.encoders.base import Encoded
from mmsearch.encoders.registry import load
from mmsearch.evaluation.datasets import CaptionedPhotos, read_captioned_photos
from mmsearch.settings import load_settings
from mmsearch.training.adapt.choose import Choice, EncodedPairs, Retrieval, choose
from mmsearch.training.adapt.cross_validate import cross_validate, folds_by_photo
from mmsearch.training.adapt.dataset import read_contents, split_by_photo
from mmsearch.training.adapt.encoded import EncodedCache, View
from mmsearch.training.adapt.methods import Method, closed_forms, train_heads
from mmsearch.training.adapt.train import HELD_OUT

KINDS = {
    "dogs": r"\bdogs?\b",
    "water": r"\b(water|pool|ocean|sea|lake|beach)\b",
    "children": r"\b(child|children|boys?|girls?)\b",
    # what settings were chosen on
    "men": r"\bm[ae]n\b",
    "jumping": r"\b(jump|jumps|jumping|air|running|runs)\b",
    "clothes": r"\b(shirt|jacket|dress|hat)\b",
    "red": r"\b(red|pink|orange|yellow)\b",
}
REPORTED = ("dogs", "water", "children")
TRAINED, OTHERS, ELSEWHERE = 300, 100, 500


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
    parser.add_argument("--method", default="auto", choices=list(Method))
    parser.add_argument("--kinds", nargs="+", default=REPORTED, choices=list(KINDS))
    parser.add_argument("--splits", type=int, default=10)
    options = parser.parse_args()
    method = Method(options.method).chosen(TRAINED)
    encoder = load(options.model)
    cache = EncodedCache(encoder, load_settings().cache / "encoded", silent)
    captions = options.flickr8k / "captions.tsv"
    flickr8k = encoded(cache, options.flickr8k / "images", captions, options.flickr8k)
    named = None
    if options.class_names:
        labels = options.class_names / "labels.tsv"
        named = encoded(cache, options.class_names / "images", labels, None).pairs
    heading = ["kind", "measured on"]
    ways = ("text to image", "image to text")
    heading += [f"{way} {figure}" for way in ways for figure in ("R@1", "R@5", "R@10", "MRR")]
    rows: list[Sequence[object]] = []
    for kind in options.kinds:
        runs = []
        for seed in range(options.splits):
            runs.append(one_run(flickr8k, named, KINDS[kind], method, seed))
            print(f"{kind}: {seed + 1} of {options.splits}", file=sys.stderr)
        for where in runs[0]:
            before, after = (
                np.array([figures(run[where][when]) for run in runs]) for when in (0, 1)
            )
            rows.append([kind, where, *differences(before, after)])
    print(markdown(heading, rows))


def differences(before: NDArray[np.float64], after: NDArray[np.float64]) -> list[str]:
    """Mean before, and mean difference with its interval, of each column."""
    gained = after - before
    half = 1.96 * gained.std(axis=0, ddof=1) / len(gained) ** 0.5
    columns = zip(before.mean(axis=0), gained.mean(axis=0), half, strict=True)
    return [f"{old:.1f} {gain:+.1f} ± {around:.1f}" for old, gain, around in columns]


def one_run(
    flickr8k: Collection, named: EncodedPairs | None, pattern: str, method: Method, seed: int
) -> dict[str, tuple[Retrieval, Retrieval]]:
    """Trains once; the metrics before and after, by where they were measured."""
    kind, elsewhere = of_kind(flickr8k.dataset, pattern)
    generator = np.random.default_rng(seed)
    kind, elsewhere = generator.permutation(kind), generator.permutation(elsewhere)[:ELSEWHERE]
    learnt, others = kind[:TRAINED], kind[TRAINED : TRAINED + OTHERS]
    choice = choice_of(flickr8k.pairs.part(learnt), flickr8k.mirrored.rows(learnt), method, seed)
    # As `mmsearch train` does: what is no better is not used.
    better = choice.best.retrieval.score > choice.before.score
    base = Heads(None, None)
    heads = choice.heads if better else base
    measured = {
        f"{OTHERS} others of that kind": flickr8k.pairs.part(others),
        f"{ELSEWHERE} photos without the word": flickr8k.pairs.part(elsewhere),
    }
    if named is not None:
        measured["photos by class name"] = named
    return {
        name: (pairs.retrieval(base), pairs.retrieval(heads)) for name, pairs in measured.items()
    }


def choice_of(pairs: EncodedPairs, mirrored: Encoded, method: Method, seed: int) -> Choice:
    """What ``mmsearch train`` makes of captioned photos."""
    hashes = [str(number) for number in range(TRAINED)]
    if method is not Method.HEADS:
        folds = folds_by_photo(hashes, HELD_OUT, seed)
        return cross_validate(lambda some: closed_forms(method, some), pairs, folds, silent)
    learnt, out = split_by_photo(hashes, HELD_OUT, seed)
    held_out = pairs.part(out)
    trained = train_heads(
        pairs.part(learnt), mirrored.rows(learnt), held_out, seed=seed, progress=silent
    )
    return choose(trained.candidates, held_out)


def of_kind(dataset: CaptionedPhotos, pattern: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Photos with a word in a caption, and the others."""
    has = np.zeros(len(dataset.photos), dtype=bool)
    for caption, photo in zip(dataset.captions, dataset.photo_of_caption, strict=True):
        has[photo] |= re.search(pattern, caption.lower()) is not None
    return np.flatnonzero(has), np.flatnonzero(~has)


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
    return [*astuple(found.text_to_image), *astuple(found.image_to_text)]


def silent(_step: str, _done: int, _total: int) -> None:
    pass


if __name__ == "__main__":
    main()
