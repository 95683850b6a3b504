"""How surely copies of photos are told from other photos.

    python benchmarks/duplicates.py PHOTOS [--split FILE] [--count N] [--sheet FILE]

Makes copies of some of the photos in a folder, and tells for each kind how many are recognised;
then looks for copies among all photos of the folder, where there should be none. An embedding
alone, with thresholds that recognise most copies, is measured beside it. ``--sheet`` is a picture
of the pairs that come closest, to be judged by eye.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from measure import markdown
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from mmsearch.encoders.registry import load
from mmsearch.media.fingerprint import fingerprint
from mmsearch.media.image import read_image, read_image_file
from mmsearch.search.duplicates.compare import COARSE, likeness
from mmsearch.search.duplicates.prints import Prints

MIN_SIZE = (224, 224)
TILE = 200  # pixels a side of a photo on the sheet
SHOWN = 20  # pairs on the sheet

Change = Callable[[Image.Image], bytes]


def saved(picture: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    file = BytesIO()
    picture.save(file, kind, **({"quality": 85} if kind == "JPEG" else {}) | options)
    return file.getvalue()


def resized(picture: Image.Image, factor: float) -> Image.Image:
    size = (max(1, round(side * factor)) for side in picture.size)
    return picture.resize(tuple(size), Image.Resampling.BICUBIC)


def cropped(picture: Image.Image, share: float) -> Image.Image:
    """Up to so much less at each side."""
    width, height = picture.size
    left, top, right, bottom = (random.uniform(0, share) for _ in range(4))
    return picture.crop(
        (round(left * width), round(top * height), round(width - right * width),
         round(height - bottom * height))
    )  # fmt: skip


def turned(picture: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(picture.transpose(Image.Transpose.ROTATE_90), exif=exif)


COPIES: dict[str, Change] = {
    "PNG": lambda p: saved(p, "PNG"),
    "WebP, quality 60": lambda p: saved(p, "WEBP", quality=60),
    "JPEG, quality 40": lambda p: saved(p, quality=40),
    "JPEG, quality 15": lambda p: saved(p, quality=15),
    "half the size": lambda p: saved(resized(p, 0.5)),
    "a quarter of the size": lambda p: saved(resized(p, 0.25)),
    "twice the size": lambda p: saved(resized(p, 2)),
    "turned, with EXIF orientation": turned,
    "20% brighter": lambda p: saved(ImageEnhance.Brightness(p).enhance(1.2)),
    "20% darker": lambda p: saved(ImageEnhance.Brightness(p).enhance(0.8)),
    "25% more contrast": lambda p: saved(ImageEnhance.Contrast(p).enhance(1.25)),
    "30% more colour": lambda p: saved(ImageEnhance.Color(p).enhance(1.3)),
    "cropped by up to 3% a side": lambda p: saved(cropped(p, 0.03)),
    "cropped by up to 6% a side": lambda p: saved(cropped(p, 0.06)),
    "cropped by up to 10% a side": lambda p: saved(cropped(p, 0.10)),
}
OTHERS: dict[str, Change] = {
    "mirrored": lambda p: saved(ImageOps.mirror(p)),
    "in black and white": lambda p: saved(p.convert("L")),
}


def main() -> None:
    arguments = _arguments()
    photos = _photos(arguments.photos, arguments.split)
    chosen = random.Random(0).sample(range(len(photos)), min(arguments.count, len(photos)))
    looks, vectors = _read(map(Path.read_bytes, photos))

    rows = []
    copies_similarity = []
    for name, change in (COPIES | OTHERS).items():
        random.seed(name)
        changed_looks, changed = _read(change(_picture(photos[at])) for at in chosen)
        found = _are_copies(looks[chosen], changed_looks)
        similarity = (vectors[chosen] * changed).sum(1)
        if name in COPIES:
            copies_similarity.append(similarity)
        rows.append((name, f"{found.mean():.1%}", f"{similarity.mean():.3f}"))
    print(markdown(("change", "recognised", "mean similarity"), rows))

    pairs = _close_pairs(looks)
    compared = likeness(looks[pairs[:, 0]], looks[pairs[:, 1]])
    all_pairs = len(photos) * (len(photos) - 1) // 2
    print(f"\n{compared.copies.sum()} of {all_pairs:,} pairs of photos are taken for copies:")
    for one, other in pairs[compared.copies]:
        print(f"- {photos[one].name} {photos[other].name}")
    for share in (0.90, 0.95, 0.99):
        threshold = np.quantile(np.concatenate(copies_similarity), 1 - share)
        wrong = (np.triu(vectors @ vectors.T, 1) >= threshold).sum()
        print(
            f"\nBy similarity alone, a threshold of {threshold:.3f} that recognises {share:.0%} of "
            f"the copies takes {wrong:,} pairs for copies."
        )
    if arguments.sheet:
        closest = pairs[np.argsort(-compared.agreement)[:SHOWN]]
        _sheet([(photos[one], photos[other]) for one, other in closest]).save(arguments.sheet)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, metavar="PHOTOS")
    parser.add_argument("--split", type=Path, help="only these: a file with one name a line")
    parser.add_argument("--count", type=int, default=150, help="how many photos to copy")
    parser.add_argument("--sheet", type=Path, help="where to draw the closest pairs")
    return parser.parse_args()


def _photos(folder: Path, split: Path | None) -> list[Path]:
    if split is None:
        return sorted(folder.glob("*.jpg"))
    return [folder / name for name in split.read_text().split()]


def _picture(path: Path) -> Image.Image:
    return read_image_file(path).image


def _read(files: Iterator[bytes]) -> tuple[Prints, NDArray[np.float32]]:
    """Fingerprints and embeddings of photos."""
    encoder = load("embedded", device="cpu")
    prints, vectors, batch = [], [], []
    for data in files:
        image = read_image(data, suffix=".jpg", min_size=MIN_SIZE).image
        prints.append(fingerprint(image))
        batch.append(encoder.transform(image))
        if len(batch) == encoder.batch_size:
            vectors.append(encoder.encode_images(np.stack(batch)))
            batch = []
    if batch:
        vectors.append(encoder.encode_images(np.stack(batch)))
    return Prints.of(prints), np.concatenate(vectors)


def _are_copies(ones: Prints, others: Prints) -> NDArray[np.bool_]:
    near = (ones.coarse() * others.coarse()).sum(1) >= COARSE
    return near & likeness(ones, others).copies


def _close_pairs(looks: Prints) -> NDArray[np.int64]:
    """Pairs that are worth comparing, int64, shape (n, 2)."""
    coarse = looks.coarse()
    return np.argwhere(np.triu(coarse @ coarse.T, 1) >= COARSE)


def _sheet(pairs: Sequence[tuple[Path, Path]]) -> Image.Image:
    sheet = Image.new("RGB", (4 * (2 * TILE + 20), -(-len(pairs) // 4) * (TILE + 10)), "white")
    for number, pair in enumerate(pairs):
        x, y = number % 4 * (2 * TILE + 20), number // 4 * (TILE + 10)
        for side, photo in enumerate(pair):
            sheet.paste(_picture(photo).resize((TILE, TILE)), (x + side * TILE, y))
    return sheet


if __name__ == "__main__":
    main()
