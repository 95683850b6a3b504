"""Whether photos and texts in one ranking drown each other.

    python benchmarks/fairness.py FLICKR8K SPEECH [--set test]

An index holds the photos of one split of Flickr8k without their captions, four captions each of
the photos of another split without the photos, and the transcripts of the speech data. Captions
that are not indexed are the queries: for a photo, its first; for a text asset, its fifth. Prints
how many answers are among the first ten assets of the answer's own medium and of the mixed
ranking, and how many of the first ten are photos.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hybrid import Asset, build, photos, transcripts
from measure import markdown
from numpy.typing import NDArray

from mmsearch.encoders.registry import load
from mmsearch.index import Snapshot
from mmsearch.items import Hit, Modality
from mmsearch.search.normalise import Medium
from mmsearch.search.query import Query, read_query
from mmsearch.search.rank import Ranker
from mmsearch.search.retrieve import retrieve
from mmsearch.search.sought import Sought

OTHER = {"dev": "train", "test": "dev"}
PHOTOS = 1000


@dataclass(frozen=True)
class Asked:
    """A caption that is not indexed, and the asset that answers it."""

    text: str
    vector: NDArray[np.float32]
    answer: int


def first_ten(snapshot: Snapshot, asked: Asked, only: Modality | None) -> list[Hit]:
    """What a search gives."""
    question = read_query(Query(text=asked.text, modality=only))
    return retrieve(snapshot, question, Sought.text(asked.vector), 10)


def first_ten_by_vectors(
    snapshot: Snapshot, asked: Asked, only: Modality | None, *, raw: bool
) -> list[Hit]:
    """The same by similarity alone: the query is given without its words."""
    question = read_query(Query(text="?", modality=only))
    ranker = Ranker.of(snapshot, question, Sought.text(asked.vector))
    ids, scores = [], []
    for medium, held in ranker.passing.items():
        similarities, found = snapshot.vectors.search(asked.vector, 100, among=held)
        ids += found.tolist()
        scores += (
            similarities if raw else ranker.scale(medium, similarities)(similarities)
        ).tolist()
    items = snapshot.reader.items(ids)
    best: dict[int, Hit] = {}
    for score, item in sorted(zip(scores, ids, strict=True), reverse=True):
        one = items[item]
        hit = Hit(0, score, None, one.path, one.modality, item, one.asset_id)
        best.setdefault(one.asset_id, hit)
    return list(best.values())[:10]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("flickr", type=Path)
    parser.add_argument("speech", type=Path)
    parser.add_argument("--set", choices=tuple(OTHER), default="test", dest="split")
    options = parser.parse_args()
    encoder = load("embedded", device="cpu")
    shown = photos(options.flickr, options.split)
    told = dict(list(photos(options.flickr, OTHER[options.split]).items())[:PHOTOS])
    assets = [
        *(Asset(f"{name}", name, options.flickr / "images" / name, []) for name in shown),
        *(
            Asset(f"{name}.txt", name, None, [(Modality.CAPTION, text) for text in captions[:4]])
            for name, captions in told.items()
        ),
        *transcripts(options.speech),
    ]
    with tempfile.TemporaryDirectory() as folder:
        index, ids = build(Path(folder) / "index", encoder, assets)
        asked = {
            Medium.PICTURE: [captions[0] for captions in shown.values()],
            Medium.TEXT: [captions[4] for captions in told.values()],
        }
        answers = {
            Medium.PICTURE: ids[: len(shown)],
            Medium.TEXT: ids[len(shown) : len(shown) + len(told)],
        }
        queries = {
            medium: [
                Asked(*one)
                for one in zip(texts, encoder.encode_texts(texts), answers[medium], strict=True)
            ]
            for medium, texts in asked.items()
        }
        with index.snapshot() as snapshot:
            methods: dict[str, Callable[[Asked, Modality | None], list[Hit]]] = {
                "raw inner products": lambda one, only: first_ten_by_vectors(
                    snapshot, one, only, raw=True
                ),
                "normalised": lambda one, only: first_ten_by_vectors(
                    snapshot, one, only, raw=False
                ),
                "normalised, and words": lambda one, only: first_ten(snapshot, one, only),
            }
            rows = [
                [name, *measured(search, queries[Medium.PICTURE], Modality.IMAGE),
                 *measured(search, queries[Medium.TEXT], Modality.CAPTION)]
                for name, search in methods.items()
            ]  # fmt: skip
        index.close()
    heading = ["R@10 alone", "mixed", "photos in the first ten"]
    print(
        markdown(
            [
                "ranking",
                *(f"photos: {one}" for one in heading),
                *(f"texts: {one}" for one in heading),
            ],
            rows,
        )
    )


def measured(
    search: Callable[[Asked, Modality | None], list[Hit]], queries: list[Asked], own: Modality
) -> list[str]:
    """R@10 in the answers' own modality and mixed, and the photos' share in the mixed ten."""
    alone = mixed = pictures = 0
    for one in queries:
        alone += one.answer in [hit.asset for hit in search(one, own)]
        hits = search(one, None)
        mixed += one.answer in [hit.asset for hit in hits]
        pictures += sum(hit.modality is Modality.IMAGE for hit in hits)
    count = len(queries)
    return [
        f"{100 * alone / count:.1f}",
        f"{100 * mixed / count:.1f}",
        f"{10 * pictures / count:.0f}%",
    ]


if __name__ == "__main__":
    main()
