"""A fixed set of texts about everything and nothing, which tells what chance looks like.

How similar a photo is to texts that have nothing to do with it differs from encoder to encoder
and from photo to photo. So an index keeps the embeddings of these texts, and a query is
compared with them: see `mmsearch.search.calibrate`. They were written for that, spread over
subjects, places, things and matters that people photograph, write and talk about.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np

from mmsearch.encoders.base import DualEncoder, Embeddings

_FILE = Path(__file__).with_name("background.txt")
_BATCH = 64


@cache
def background_texts() -> tuple[str, ...]:
    """The texts, some hundreds, none twice."""
    return tuple(_FILE.read_text(encoding="utf-8").splitlines())


@cache
def background_id() -> str:
    """Names this set of texts: another set has another id."""
    return sha256("\n".join(background_texts()).encode()).hexdigest()[:12]


def encode_background(encoder: DualEncoder) -> Embeddings:
    """Embeds the texts.

    Returns:
        float32, shape (texts, dim), rows of unit length.
    """
    texts = background_texts()
    return np.concatenate(
        [encoder.encode_texts(texts[at : at + _BATCH]) for at in range(0, len(texts), _BATCH)]
    )
