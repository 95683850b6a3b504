"""Makes a million realistic embeddings of few: for `large_index`.

Real embeddings of photos lie in few directions, unevenly, and the nearest photos of a text are
far from it. So new ones are made from real ones: a photo's embedding, moved along the difference of
two others by a random share, so that they spread as real ones do. Queries are captions that none of
these photos belongs to.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmsearch.encoders.registry import load

CHUNK = 10_000
_SHARES = (0.2, 0.6)  # of the difference that is added


@dataclass(frozen=True)
class Real:
    """Real embeddings: of photos, and of captions of other photos, with their texts."""

    id: str
    photos: NDArray[np.float32]
    captions: NDArray[np.float32]
    texts: list[str]


def embed_real(flickr: Path, kept: Path, count: int) -> Real:
    """Embeds photos of the train split and captions of the test split; keeps them in a file."""
    if not kept.exists():
        from mmsearch.media.image import read_image_file

        encoder = load("embedded")
        names = (flickr / "train.txt").read_text().split()[:count]
        parts = []
        for at in range(0, len(names), 256):
            images = [flickr / "images" / name for name in names[at : at + 256]]
            pixels = [
                encoder.transform(read_image_file(path, max_megapixels=99).image) for path in images
            ]
            parts.append(encoder.encode_images(np.stack(pixels)))
        held_out = set((flickr / "test.txt").read_text().split())
        with (flickr / "captions.tsv").open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t")
            texts = [row["caption"] for row in rows if row["image"] in held_out][::5]
        np.savez(
            kept,
            photos=np.concatenate(parts),
            captions=encoder.encode_texts(texts),
            texts=np.array(texts),
            id=np.array(encoder.id),
        )
    with np.load(kept) as file:
        return Real(str(file["id"]), file["photos"], file["captions"], file["texts"].tolist())


def made_of(real: NDArray[np.float32], count: int) -> Iterator[NDArray[np.float16]]:
    """So many embeddings made of real ones, float16, in chunks; the same every time."""
    random = np.random.default_rng(0)
    for at in range(0, count, CHUNK):
        size = min(CHUNK, count - at)
        one, other, another = random.integers(len(real), size=(3, size))
        share = random.uniform(*_SHARES, size=(size, 1)).astype(np.float32)
        vectors = real[one] + share * (real[other] - real[another])
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        yield vectors.astype(np.float16)
