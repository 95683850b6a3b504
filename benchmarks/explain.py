"""Does an explanation point at what was asked for? Photos put together, asked for one of them.

    python benchmarks/explain.py IMAGENET_SAMPLE FLICKR8K [--model MODEL] [--composites N]

Four (nine) photos are squashed into the cells of a 2 x 2 (3 x 3) grid; the query is the class name
(ImageNet sample) or the first caption (Flickr8k dev) of one of them. For each way of telling
regions apart: how often the map's highest point lies in the right cell, how often most of what is
above the map's mean does, the share that does, and the processor time for a picture. Prints a
Markdown table.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmsearch.encoders import registry
from mmsearch.encoders.base import DualEncoder, Embeddings, encode_regions
from mmsearch.search.explain.regions import Maps, similarity_maps

SIDE = 448  # pixels of a composite
FINE = 112  # points of a map a side, after interpolation

Way = Callable[[DualEncoder, Image.Image, Embeddings], Maps | None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("imagenet", type=Path)
    parser.add_argument("flickr", type=Path)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--composites", type=int, default=50)
    parser.add_argument("--ways", nargs="*", default=list(WAYS))
    arguments = parser.parse_args()
    encoder = registry.load(arguments.model)
    print(f"{encoder.id}, {arguments.composites} composites of each kind\n")
    print("| photos | grid | way | highest point | most mass | mass | time |")
    print("|---|---|---|---|---|---|---|")
    for name, photos in (
        ("ImageNet sample", captions(arguments.imagenet, "labels.tsv", None)),
        ("Flickr8k dev", dev(arguments.flickr)),
    ):
        for grid in (2, 3):
            measure(name, photos, grid, encoder, arguments.composites, arguments.ways)


def measure(
    name: str,
    photos: list[tuple[Path, str]],
    grid: int,
    encoder: DualEncoder,
    count: int,
    ways: list[str],
) -> None:
    generator = random.Random(grid)
    found: dict[str, list[tuple[bool, bool, float]]] = {way: [] for way in ways}
    took = dict.fromkeys(ways, 0.0)
    for _ in range(count):
        chosen = generator.sample(photos, grid * grid)
        while len({text for _, text in chosen}) < len(chosen):
            chosen = generator.sample(photos, grid * grid)
        picture = composite([path for path, _ in chosen], grid)
        texts = encoder.encode_texts([text for _, text in chosen])
        for way in ways:
            began = time.process_time()
            maps = WAYS[way](encoder, picture, texts)
            took[way] += time.process_time() - began
            for cell, map_ in enumerate(() if maps is None else maps):
                found[way].append(judge(map_, cell, grid))
    for way, rows in found.items():
        if not rows:
            continue
        peak, most, mass = 100 * np.mean(np.array(rows, dtype=float), axis=0)
        ms = 1000 * took[way] / count
        print(
            f"| {name} | {grid} x {grid} | {way} | {peak:.0f}% | {most:.0f}% | {mass:.0f}% "
            f"| {ms:.0f} ms |",
            flush=True,
        )
    chance = 100 / grid**2
    print(
        f"| {name} | {grid} x {grid} | chance | {chance:.0f}% | {chance:.0f}% | {chance:.0f}% | |"
    )


def judge(map_: NDArray[np.float32], cell: int, grid: int) -> tuple[bool, bool, float]:
    """Whether the highest point and most mass are in the right cell, and which share of it."""
    fine = np.asarray(
        Image.fromarray(map_.astype(np.float32)).resize((FINE, FINE), Image.Resampling.BICUBIC)
    )
    edges = np.linspace(0, FINE, grid + 1).round().astype(int)
    above = np.maximum(fine - fine.mean(), 0)
    row, column = divmod(int(fine.argmax()), FINE)
    at = (np.searchsorted(edges, row, "right") - 1) * grid + np.searchsorted(edges, column, "right")
    masses = [
        above[edges[r] : edges[r + 1], edges[c] : edges[c + 1]].sum()
        for r in range(grid)
        for c in range(grid)
    ]
    share = masses[cell] / max(sum(masses), 1e-9)
    return bool(at - 1 == cell), int(np.argmax(masses)) == cell, float(share)


def composite(paths: list[Path], grid: int) -> Image.Image:
    picture = Image.new("RGB", (SIDE, SIDE))
    edges = np.linspace(0, SIDE, grid + 1).round().astype(int).tolist()
    for place, path in enumerate(paths):
        row, column = divmod(place, grid)
        size = (edges[column + 1] - edges[column], edges[row + 1] - edges[row])
        photo = Image.open(path).convert("RGB").resize(size, Image.Resampling.BICUBIC)
        picture.paste(photo, (edges[column], edges[row]))
    return picture


def dev(folder: Path) -> list[tuple[Path, str]]:
    return captions(folder, "captions.tsv", set((folder / "dev.txt").read_text().split()))


def captions(folder: Path, name: str, among: set[str] | None) -> list[tuple[Path, str]]:
    """Photos with their first captions."""
    first: dict[str, str] = {}
    for line in (folder / name).read_text(encoding="utf-8").splitlines()[1:]:
        image, caption = line.split("\t", 1)
        if among is None or image in among:
            first.setdefault(image, caption)
    return [(folder / "images" / image, caption) for image, caption in sorted(first.items())]


def mmsearch_way(encoder: DualEncoder, picture: Image.Image, vectors: Embeddings) -> Maps:
    return similarity_maps(encoder, picture, vectors)


def regions_of_picture(
    encoder: DualEncoder, picture: Image.Image, vectors: Embeddings
) -> Maps | None:
    """The encoder's own regions, of the whole picture."""
    regions = encode_regions(encoder, encoder.transform(picture)[np.newaxis])
    return None if regions is None else regions.similarities(vectors)


def occlusion(encoder: DualEncoder, picture: Image.Image, vectors: Embeddings) -> Maps:
    """What similarity loses where a grey square covers the picture (Zeiler and Fergus 2014)."""
    cells, side = 7, SIDE * 3 // 7
    grey = tuple(int(value) for value in np.asarray(picture).mean(axis=(0, 1)))
    covered = []
    for row in range(cells):
        for column in range(cells):
            copy = picture.copy()
            x, y = (round((at + 0.5) * SIDE / cells - side / 2) for at in (column, row))
            copy.paste(grey, (x, y, x + side, y + side))
            covered.append(encoder.transform(copy))
    seen = encoder.encode_images(encoder.transform(picture)[np.newaxis])
    lost = seen - encoder.encode_images(np.stack(covered))
    return (vectors @ lost.T).reshape(len(vectors), cells, cells)


WAYS: dict[str, Way] = {
    "occlusion": occlusion,
    "regions of the whole picture": regions_of_picture,
    "mmsearch": mmsearch_way,
}

if __name__ == "__main__":
    main()
