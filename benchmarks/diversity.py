"""What diverse hits cost in relevance, and what they bring.

    python benchmarks/diversity.py FLICKR8K [--split dev]

Asks for broad things among the photos of a split. A photo is relevant if a caption of it has one
of the words asked for. What it shows besides are the other words of its captions that neither many
nor few photos have. For each strength: the share of relevant hits among the first ten, how many
other things the relevant ones show together, and how similar hits are to each other.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from measure import markdown
from numpy.typing import NDArray

from mmsearch.encoders.base import DualEncoder
from mmsearch.encoders.registry import load
from mmsearch.evaluation.embedding import decode_photo
from mmsearch.items import Hit, Modality
from mmsearch.search.duplicates.diversify import DEPTH, diversify

K = 10
TELLING = range(8, 151)  # photos that have a word
STRENGTHS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
QUERIES = (
    "dog dogs", "child children boy girl", "people", "man men", "water lake ocean pool river sea",
    "beach", "snow snowy", "bicycle bike bicyclist biker", "ball", "girl girls",
    "street road sidewalk", "mountain mountains", "football soccer", "jumping jumps jump",
    "running runs run", "boy boys", "grass grassy field", "crowd people", "swimming swims pool",
    "woman women lady",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("flickr8k", type=Path, metavar="FLICKR8K")
    parser.add_argument("--split", default="dev")
    arguments = parser.parse_args()
    folder: Path = arguments.flickr8k
    names = (folder / f"{arguments.split}.txt").read_text().split()
    words = _words(folder / "captions.tsv", names)
    encoder = load("embedded", device="cpu")
    vectors = _embed([folder / "images" / name for name in names], encoder)
    queries = encoder.encode_texts([query.split()[0] for query in QUERIES])
    rows = [(strength, *_measure(strength, queries @ vectors.T, vectors, words))
            for strength in STRENGTHS]  # fmt: skip
    print(markdown(("strength", "relevant", "shown besides", "similarity"), rows))


def _embed(photos: list[Path], encoder: DualEncoder) -> NDArray[np.float32]:
    transform = encoder.transform
    parts = (photos[start : start + 64] for start in range(0, len(photos), 64))
    pixels = (np.stack([transform(decode_photo(one, transform)) for one in part]) for part in parts)
    return np.concatenate([encoder.encode_images(some) for some in pixels])


def _words(captions: Path, names: list[str]) -> list[set[str]]:
    """The words of each photo's captions."""
    said: dict[str, set[str]] = defaultdict(set)
    with captions.open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            said[row["image"]].update(re.findall("[a-z]{3,}", row["caption"].lower()))
    return [said[name] for name in names]


def _measure(
    strength: float,
    similarities: NDArray[np.float32],
    vectors: NDArray[np.float32],
    words: list[set[str]],
) -> tuple[str, str, str]:
    known = Counter(word for one in words for word in one)
    relevant, besides, alike = [], [], []
    for query, row in zip(QUERIES, similarities, strict=True):
        wanted = set(query.split())
        best = np.argsort(-row)[: K * DEPTH].tolist()
        hits = [_hit(rank, at, float(row[at])) for rank, at in enumerate(best, 1)]
        by_item = dict(zip(best, vectors[best], strict=True))
        chosen = [hit.item for hit in diversify(hits, by_item, K, strength=strength)]
        right = [at for at in chosen if words[at] & wanted]
        relevant.append(len(right) / K)
        others = {word for at in right for word in words[at] if known[word] in TELLING}
        besides.append(len(others - wanted))
        products = vectors[chosen] @ vectors[chosen].T
        alike.append(products[np.triu_indices(K, 1)].mean())
    return f"{np.mean(relevant):.1%}", f"{np.mean(besides):.1f}", f"{np.mean(alike):.3f}"


def _hit(rank: int, at: int, similarity: float) -> Hit:
    return Hit(rank, similarity, None, Path(), Modality.IMAGE, item=at, asset=at)


if __name__ == "__main__":
    main()
