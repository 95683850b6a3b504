"""What rerankers gain and cost, and how their numbers were chosen.

python -m benchmarks.rerank FLICKR8K IMAGENET [--split dev] [--photos 1000] [--small 100]
    [--model embedded] [--rerank NAME]... [--choose] [--cache DIR]

Three tables: photos and captions of Flickr8k; small things, photos of ImageNet classes pasted
small into others; and photos by photos. --choose adds how whole and parts were put together, and
is for the dev split. IMAGENET holds images/ and labels.tsv. What was computed is kept in --cache.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.measure import markdown
from benchmarks.rerank_images import photos_by_photos
from mmsearch.encoders.base import DualEncoder
from mmsearch.encoders.registry import load
from mmsearch.evaluation.datasets import CaptionedPhotos, read_captioned_photos
from mmsearch.evaluation.embedding import Counter, decode_photo, embed_captions, embed_photos
from mmsearch.evaluation.evaluate import evaluate
from mmsearch.items import Modality
from mmsearch.search.rerank import regions
from mmsearch.search.rerank.base import Candidate
from mmsearch.search.rerank.hits import PictureOpener
from mmsearch.search.rerank.pictures import PictureEmbedder

FIGURES = ("R@1", "R@5", "R@10")
DIRECTIONS = ("text_to_image", "image_to_text")
SIDE = 1024  # shorter side of a photo with a small thing in it
SHARES = (0.2, 0.35)  # of that side that the thing's longer side takes


def dataset_of(flickr8k: Path, split: str, photos: int) -> CaptionedPhotos:
    """The first photos of a split, with their captions."""
    with tempfile.TemporaryDirectory() as folder:
        chosen = Path(folder) / "split.txt"
        names = (flickr8k / f"{split}.txt").read_text().split()[:photos]
        chosen.write_text("\n".join(names))
        return read_captioned_photos(flickr8k / "images", flickr8k / "captions.tsv", split=chosen)


def small_things(imagenet: Path, folder: Path, count: int) -> CaptionedPhotos:
    """Photos of one class pasted small into those of another; the class's name is the caption."""
    chance = random.Random(0)
    rows = (imagenet / "labels.tsv").read_text(encoding="utf-8").splitlines()[1:]
    label_of = dict(row.split("\t") for row in rows)
    first_of = {label: name for name, label in sorted(label_of.items(), reverse=True)}
    names = sorted(first_of.values())
    chance.shuffle(names)
    paths = []
    for thing, place in zip(names[:count], names[count : 2 * count], strict=True):
        photo = _scaled(imagenet / "images" / place, lambda size: SIDE / min(size))
        share = chance.uniform(*SHARES)
        pasted = _scaled(imagenet / "images" / thing, lambda size, s=share: s * SIDE / max(size))
        corner = [chance.randrange(a - b) for a, b in zip(photo.size, pasted.size, strict=True)]
        photo.paste(pasted, tuple(corner))
        paths.append(folder / f"{Path(thing).stem}.jpg")
        photo.save(paths[-1], quality=90)
    captions = tuple(label_of[name] for name in names[:count])
    return CaptionedPhotos(tuple(paths), captions, np.arange(count))


def _scaled(path: Path, factor: Callable[[tuple[int, int]], float]) -> Image.Image:
    image = Image.open(path).convert("RGB")
    scale = factor(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    return image.resize(size, Image.Resampling.BICUBIC)


def measured(encoder: DualEncoder, dataset: CaptionedPhotos, rerankers: Sequence[str]) -> str:
    """A table of the first stage and each reranker, in both directions."""
    told = evaluate(encoder, dataset, rerankers=rerankers).as_dict()
    heading = ["ranking", "direction", *FIGURES, "difference in R@1", "ms a query"]
    rows: list[list[Any]] = []
    for name, stage in [("first stage", told), *((s["reranker"], s) for s in told["reranked"])]:
        for direction in (one for one in DIRECTIONS if one in stage):
            figures = stage[direction]
            change = figures.get("difference", {}).get("R@1")
            rows.append(
                [
                    name,
                    direction.replace("_", " "),
                    *(f"{figures[figure]:.1f}" for figure in FIGURES),
                    ""
                    if change is None
                    else "{value:+.1f} ({interval[0]:+.1f} to {interval[1]:+.1f})".format(**change),
                    f"{figures['ms_per_query']:.0f}" if "ms_per_query" in figures else "",
                ]
            )
    return markdown(heading, rows)


def first_look(encoder: DualEncoder, photos: Sequence[Path]) -> float:
    """Milliseconds of one core that `regions` takes for a photo that it has not seen yet."""
    reranker = regions.Regions(encoder)
    candidates = [candidate(path) for path in photos]
    reranker.scores("warm", candidates[:1])
    started = time.process_time()  # whatever else runs here
    reranker.scores("a dog", candidates)
    return 1000 * (time.process_time() - started) / len(candidates)


def candidate(path: Path) -> Candidate:
    opener = PictureOpener(path, Modality.IMAGE, 0.0, 200.0)
    return Candidate(path, Modality.IMAGE, 0.0, 0.0, None, opener, path=path)


def choices(encoder: DualEncoder, dataset: CaptionedPhotos, *, depth: int = 20) -> str:
    """Captions that look for photos: ways to put whole and parts together, over the best 20."""
    counter = Counter(None, 0)
    wholes = embed_photos(encoder, dataset.photos, decode_photo, counter)
    texts = embed_captions(encoder, dataset.captions, counter)
    embed = PictureEmbedder(encoder, regions._VIEWS, regions_cache())
    candidates = [candidate(path) for path in dataset.photos]
    known = embed.known(candidates)
    for one in candidates:
        if one.key not in known:
            known |= embed([one])
    parts = np.stack([known[one.key] for one in candidates])
    ways: dict[str, Callable[[Any, Any], Any]] = {
        "whole": lambda whole, part: whole,
        "best part": lambda whole, part: part.max(1),
        "0.7 whole + 0.3 mean part": lambda whole, part: 0.7 * whole + 0.3 * part.mean(1),
    }
    for share in (0.3, 0.4, 0.5, 0.6):
        ways[f"{1 - share:g} whole + {share:g} best part"] = lambda whole, part, s=share: (
            (1 - s) * whole + s * part.max(1)
        )
    for sharpness in (0.25, 0.5, 1.0, 2.0):
        ways[f"whole or best part, sharpness {sharpness:g}"] = lambda whole, part, s=sharpness: (
            np.logaddexp(s * regions._spread(whole), s * regions._spread(part.max(1)))
        )
    rows = []
    for name, way in ways.items():
        ranks = []
        for text, right in zip(texts, dataset.photo_of_caption.tolist(), strict=True):
            similarities = wholes @ text
            best = np.argsort(-similarities, kind="stable")[:depth]
            scores = way(similarities[best], parts[best] @ text)
            order = best[np.argsort(-scores, kind="stable")].tolist()
            ranks.append(order.index(right) + 1 if right in order else depth + 1)
        found = np.array(ranks)
        rows.append([name, *(f"{100 * (found <= k).mean():.1f}" for k in (1, 5, 10))])
    return markdown(["score", *FIGURES], rows)


def regions_cache() -> Any:
    from mmsearch.search.rerank.registry import _cache

    return _cache()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("flickr8k", type=Path)
    parser.add_argument("imagenet", type=Path)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--small", type=int, default=100)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--rerank", action="append", default=["regions"])
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--cache", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MMSEARCH_CACHE"] = str(arguments.cache or folder)
        encoder = load(arguments.model)
        print(f"{encoder.id}, Flickr8k {arguments.split}, {arguments.photos} photos\n")
        captioned = dataset_of(arguments.flickr8k, arguments.split, arguments.photos)
        cost = first_look(encoder, captioned.photos[:10])
        print(f"regions, first look: {cost:.0f} ms of a core a photo\n")
        print(measured(encoder, captioned, arguments.rerank), flush=True)
        small = small_things(arguments.imagenet, Path(folder), arguments.small)
        print(f"\nSmall things in {arguments.small} photos\n")
        print(measured(encoder, small, arguments.rerank), flush=True)
        if arguments.choose:
            for name, dataset in (("Flickr8k", captioned), ("small things", small)):
                print(f"\nWhole and parts, {name}\n\n{choices(encoder, dataset)}", flush=True)
        print(f"\nPhotos by photos, {arguments.split}\n")
        print(photos_by_photos(encoder, captioned))


if __name__ == "__main__":
    main()
