"""A tiny deterministic encoder, a reranker and helpers, to test what you build on mmsearch.

No weights, no network, no torch, about 0.1 ms a photo:

    import mmsearch
    from mmsearch.testing import make_photo

    def test_finds_the_red_photo(tmp_path):
        make_photo(tmp_path / "photos" / "rose.jpg", "red")
        make_photo(tmp_path / "photos" / "lake.jpg", "blue")
        index = mmsearch.create(tmp_path / "index", model="testing")
        index.add(tmp_path / "photos")
        assert index.search("a red photo", k=1)[0].path.name == "rose.jpg"
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from mmsearch.encoders.base import Embeddings, EncoderIdentity, ImageTransform, Pixels

if TYPE_CHECKING:
    from PIL.Image import Image

    from mmsearch.items import Modality
    from mmsearch.search.normalise import Medium
    from mmsearch.search.rerank.base import Asked, Candidate, Deadline, Scores

_COLOURS = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "red": (255, 0, 0),
    "orange": (255, 165, 0),
    "yellow": (255, 255, 0),
    "green": (0, 128, 0),
    "cyan": (0, 255, 255),
    "blue": (0, 0, 255),
    "purple": (128, 0, 128),
    "pink": (255, 192, 203),
    "brown": (165, 42, 42),
}
_TONES = ("dark", "bright", "vivid")
_MEANS = {
    "gray": "grey",
    "turquoise": "cyan",
    "violet": "purple",
    "sky": "blue",
    "sea": "blue",
    "grass": "green",
    "forest": "green",
    "snow": "white",
    "sunset": "orange",
    "night": "dark",
    "sunny": "bright",
    "colourful": "vivid",
    "colorful": "vivid",
}

_SIDE = 16  # pixels of the square that an image is reduced to
_GRID = 4  # cells a side in which the layout of light is kept
_HASHED = 32  # dimensions that words outside the vocabulary share

# One space: colours, tones, one constant (so that nothing has length 0), layout, hashed words.
_TONE = len(_COLOURS)
_CONSTANT = _TONE + len(_TONES)
_LAYOUT = _CONSTANT + 1
_WORDS = _LAYOUT + _GRID * _GRID
_DIM = _WORDS + _HASHED

_DIMENSION_OF = {word: i for i, word in enumerate((*_COLOURS, *_TONES))}
_DIMENSION_OF |= {word: _DIMENSION_OF[meaning] for word, meaning in _MEANS.items()}

_PALETTE = np.array(list(_COLOURS.values()), dtype=np.float32) / 255
_SOFTNESS = 0.05  # squared RGB distance at which a pixel counts 1/e as much for a colour

_CONSTANT_WEIGHT = 0.05
_TONE_WEIGHT = 0.5
_LAYOUT_WEIGHT = 0.1
_WORD_WEIGHT = 0.2


class TinyEncoder:
    """A dual encoder that knows colours, brightness and a few words.

    An image is embedded by how much of it has each named colour, how dark, bright and vivid it
    is, and faintly by where its light is; a text by the colour and tone words in it, and
    faintly by its other words, so that different texts differ. What it returns is the same on
    every machine (up to rounding) and in every release with the same ``id``.

    Args:
        seed: 0 is the encoder that ``--model testing`` loads. Any other seed gives an encoder
            of another identity whose embeddings mean nothing to this one's, to test what
            happens when an index meets an encoder that did not make it.
    """

    def __init__(self, seed: int = 0) -> None:
        revision = "1" if seed == 0 else f"1-seed{seed}"
        self._identity = EncoderIdentity(
            spec="testing",
            name="testing",
            revision=revision,
            transform=ImageTransform(_SIDE, _SIDE, "squash", "bilinear"),
        )
        generator = np.random.default_rng(seed)
        self._order = generator.permutation(_DIM) if seed else np.arange(_DIM)

    @property
    def identity(self) -> EncoderIdentity:
        """Which encoder this is."""
        return self._identity

    @property
    def id(self) -> str:
        """The same as ``identity.id``."""
        return self._identity.id

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return _DIM

    @property
    def transform(self) -> ImageTransform:
        """Makes the pixels that ``encode_images`` takes."""
        return self._identity.transform

    @property
    def batch_size(self) -> int:
        """How many images to encode at once for the best rate."""
        return 64

    def encode_images(self, pixels: Pixels) -> Embeddings:
        """Embeds images by their colours.

        Args:
            pixels: uint8 RGB, shape (n, 16, 16, 3), as ``transform`` makes them; n may be 0.

        Returns:
            float32, shape (n, 64), rows of unit length.
        """
        count = len(pixels)
        colours = pixels.reshape(count, _SIDE * _SIDE, 3).astype(np.float32) / np.float32(255)
        raw = np.zeros((count, _DIM), dtype=np.float32)
        raw[:, : len(_COLOURS)] = _shares(colours)

        light = colours.mean(axis=2)
        brightness = light.mean(axis=1)
        raw[:, _TONE] = _TONE_WEIGHT * np.maximum(0, 1 - 2 * brightness)
        raw[:, _TONE + 1] = _TONE_WEIGHT * np.maximum(0, 2 * brightness - 1)
        vividness = (colours.max(axis=2) - colours.min(axis=2)).mean(axis=1)
        raw[:, _TONE + 2] = _TONE_WEIGHT * vividness
        raw[:, _CONSTANT] = _CONSTANT_WEIGHT

        cell = _SIDE // _GRID
        cells = light.reshape(count, _GRID, cell, _GRID, cell).mean(axis=(2, 4))
        layout = cells.reshape(count, _GRID * _GRID) - brightness[:, None]
        raw[:, _LAYOUT:_WORDS] = _LAYOUT_WEIGHT * layout
        return self._finish(raw)

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Embeds texts by their words; case and punctuation do not count.

        Returns:
            float32, shape (n, 64), rows of unit length.
        """
        raw = np.zeros((len(texts), _DIM), dtype=np.float32)
        raw[:, _CONSTANT] = _CONSTANT_WEIGHT
        for row, text in zip(raw, texts, strict=True):
            for word in re.findall(r"\w+", text.casefold()):
                if word in _DIMENSION_OF:
                    row[_DIMENSION_OF[word]] += 1
                else:
                    digest = crc32(word.encode("utf-8", "surrogatepass"))
                    sign = 1 if digest & 1 else -1
                    row[_WORDS + (digest >> 1) % _HASHED] += sign * _WORD_WEIGHT
        return self._finish(raw)

    def fits(self, text: str) -> bool:
        """Whether a text is encoded whole: always."""
        return True

    def _finish(self, raw: NDArray[np.float32]) -> Embeddings:
        lengths = np.linalg.norm(raw, axis=1, keepdims=True)
        return np.ascontiguousarray((raw / lengths)[:, self._order], dtype=np.float32)


def _shares(colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much of each image has each named colour.

    Args:
        colours: RGB in 0..1, shape (n, pixels, 3).

    Returns:
        float32, shape (n, colours), rows that sum to 1.
    """
    squares = (colours**2).sum(axis=2, keepdims=True) + (_PALETTE**2).sum(axis=1)
    distance = squares - 2 * colours @ _PALETTE.T
    nearness = np.exp(-(distance - distance.min(axis=2, keepdims=True)) / _SOFTNESS)
    shares: NDArray[np.float32] = (nearness / nearness.sum(axis=2, keepdims=True)).mean(axis=1)
    return shares


class TinyReranker:
    """A reranker that knows colours: it opens each photo and counts the colours that are asked for.

    A photo's score is the share of its pixels in the named colours (or, for an image, in that
    image's colours), plus a thousandth of its first-stage similarity. Photos are looked at in
    batches of 8, with the deadline looked at before each; one that cannot be opened is not judged.
    The colours of what it has seen are remembered by the candidates' keys.
    """

    name = "testing"
    depth = 50

    def __init__(self) -> None:
        self._seen: dict[Hashable, NDArray[np.float32] | None] = {}

    def takes(self, asked: Medium, modality: Modality) -> bool:
        """Photos and frames of videos, for any query."""
        return modality in ("image", "frame")

    def scores(
        self, query: Asked, candidates: Sequence[Candidate], *, deadline: Deadline | None = None
    ) -> Scores:
        """Judges candidates; see `mmsearch.search.rerank.base.Reranker`."""
        from mmsearch.search.rerank.base import score_in_batches

        wanted = _asked_colours(query)

        def judge(batch: Sequence[Candidate]) -> Scores:
            return np.array([self._score(wanted, candidate) for candidate in batch])

        return score_in_batches(candidates, judge, size=8, deadline=deadline)

    def _score(self, wanted: NDArray[np.float32], candidate: Candidate) -> float:
        from mmsearch.search.rerank.base import open_or_none

        if candidate.key not in self._seen:
            image = open_or_none(candidate, (_SIDE, _SIDE))
            self._seen[candidate.key] = None if image is None else _shares_of(image)
        seen = self._seen[candidate.key]
        if seen is None:
            return float("nan")
        return float(wanted @ seen) + 1e-3 * float(np.nan_to_num(candidate.similarity))


def _asked_colours(query: Asked) -> NDArray[np.float32]:
    """How much each named colour counts, float32, shape (colours,)."""
    if not isinstance(query, str):
        return _shares_of(query)
    words = re.findall(r"\w+", query.casefold())
    meant = {_MEANS.get(word, word) for word in words}
    return np.array([colour in meant for colour in _COLOURS], dtype=np.float32)


def _shares_of(image: Image) -> NDArray[np.float32]:
    pixels = np.asarray(image.resize((_SIDE, _SIDE)), dtype=np.float32).reshape(1, -1, 3)
    shares: NDArray[np.float32] = _shares(pixels / np.float32(255))[0]
    return shares


def make_photo(
    path: str | Path,
    colour: str | tuple[int, int, int] = "grey",
    size: tuple[int, int] = (64, 48),
) -> Path:
    """Writes a photo of one colour; folders on the way are made.

    Args:
        path: the file; its suffix chooses the format.
        colour: a name that Pillow knows (the CSS names) or RGB in 0..255.
        size: width and height in pixels.

    Returns:
        The path.
    """
    from PIL import Image

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path
