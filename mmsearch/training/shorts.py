"""Short texts for photos: people search with two words more often than with a sentence.

A caption begins with what the photo shows ("two dogs", "a little girl"), and the image tower names
what it sees. Both become texts of the photo beside its captions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmsearch.evaluation.datasets import CaptionedPhotos

_WORDS = 4  # of a beginning, at most
_SURE = 0.4  # probability from which a class is what the photo shows

# What comes after the first thing that a caption names.
# fmt: off
_ENDS = frozenset({
    "about", "across", "against", "along", "and", "are", "around", "as", "at", "behind", "by",
    "down", "for", "from", "has", "have", "in", "into", "is", "near", "next", "of", "off", "on",
    "or", "out", "over", "that", "through", "to", "under", "up", "was", "wearing", "were",
    "while", "who", "with",
})
# fmt: on


def short_texts(
    photos: CaptionedPhotos, names: Sequence[str], logits: NDArray[np.float16]
) -> tuple[list[str], NDArray[np.int64]]:
    """Beginnings of captions, and names of the classes that the image tower is sure of.

    Args:
        photos: with captions.
        names: of the classes, each with its synonyms after commas.
        logits: of the photos, shape (photos, classes).

    Returns:
        The texts, each once for a photo, and int64 of shape (texts,), whose they are.
    """
    found = {
        (int(photo), beginning): None
        for photo, caption in zip(photos.photo_of_caption, photos.captions, strict=True)
        if (beginning := beginning_of(caption))
    }
    odds = np.exp(logits.astype(np.float32) - logits.max(axis=1, keepdims=True))
    likeliest = odds.argmax(axis=1)
    sure = odds.max(axis=1) >= _SURE * odds.sum(axis=1)
    for photo in np.flatnonzero(sure).tolist():
        for synonym in names[int(likeliest[photo])].split(","):
            found[photo, synonym.strip()] = None
    owners = np.array([photo for photo, _ in found], dtype=np.int64)
    return [text for _, text in found], owners


def beginning_of(caption: str) -> str:
    """The first thing that an English caption names; empty where it has no short one."""
    words = re.findall(r"[\w'-]+", caption.lower())
    for count, word in enumerate(words[: _WORDS + 1]):
        if count and (word in _ENDS or word.endswith("ing")):
            return " ".join(words[:count])
    return " ".join(words) if len(words) <= _WORDS else ""
