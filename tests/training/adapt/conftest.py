"""A toy whose image and text towers do not agree yet, so that there is something to learn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import mmsearch.testing
from mmsearch.encoders.base import Embeddings
from mmsearch.evaluation.datasets import CaptionedPhotos
from mmsearch.testing import make_photo

PALETTE = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "brown", "grey")
NICKNAMES = (
    "rosso",
    "arancio",
    "giallo",
    "verde",
    "ciano",
    "blu",
    "viola",
    "rosa",
    "bruno",
    "grigio",
)


def write_photos(folder: Path, count: int = 60, seed: int = 0) -> Path:
    """Photos of one colour each, with captions in words that TinyEncoder does not know."""
    generator = np.random.default_rng(seed)
    lines = ["image\tcaption"]
    for number in range(count):
        first, second = generator.choice(len(PALETTE), 2, replace=False)
        name = f"{number:03}.png"
        _two_colours(folder / name, PALETTE[first], PALETTE[second], number)
        lines.append(f"{name}\t{NICKNAMES[first]} con {NICKNAMES[second]}")
        lines.append(f"{name}\tun quadro {NICKNAMES[second]} e {NICKNAMES[first]}")
    (folder / "captions.tsv").write_text("\n".join(lines), encoding="utf-8")
    return folder


def _two_colours(path: Path, first: str, second: str, number: int) -> None:
    from PIL import Image

    make_photo(path, first, (64, 64))
    with Image.open(path) as image:
        # no two photos are the same
        image.paste(Image.new("RGB", (24 + number % 17, 64 - number // 17), second))
        image.save(path)


@pytest.fixture(scope="session")
def captioned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("captioned"))


@pytest.fixture
def dataset(captioned: Path) -> CaptionedPhotos:
    from mmsearch.evaluation.datasets import read_captioned_photos

    return read_captioned_photos(captioned, captioned / "captions.tsv")


class Counting(mmsearch.testing.TinyEncoder):
    """TinyEncoder that counts what it encodes."""

    def __init__(self) -> None:
        super().__init__()
        self.images = 0
        self.texts = 0

    def encode_images(self, pixels: np.ndarray) -> Embeddings:
        self.images += len(pixels)
        return super().encode_images(pixels)

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        self.texts += len(texts)
        return super().encode_texts(texts)
