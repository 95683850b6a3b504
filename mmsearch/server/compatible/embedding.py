"""Embeds what clients send, with an index's own encoder, in turn with searches."""

from __future__ import annotations

import base64
import binascii
import re

import numpy as np

from mmsearch.encoders.base import DualEncoder, Embeddings
from mmsearch.errors import QueryError
from mmsearch.library import Index
from mmsearch.media.image import read_image

_DATA_URL = re.compile(r"data:[^;,]*(?:;[^;,]*)*?(;base64)?,", re.IGNORECASE)
_LONGEST_HEAD = 200  # characters of a data URL before its content


def encoder_of(index: Index) -> DualEncoder:
    """The encoder of an index, as many requests may use it at the same time."""
    return index.together.of(index.encoder)


def embed_image(encoder: DualEncoder, content: bytes, *, max_megapixels: float) -> Embeddings:
    """Embeds the image in a file's content: float32, shape (dim,), of unit length.

    Raises:
        MediaError: it is no image that can be decoded, or too large.
    """
    transform = encoder.transform
    size = (transform.width, transform.height)
    image = read_image(content, suffix="", max_megapixels=max_megapixels, min_size=size).image
    row: Embeddings = encoder.encode_images(transform(image)[np.newaxis])[0]
    return row


def is_data_url(text: str) -> bool:
    """Whether a text is a ``data:`` URL of an image, and no text to be read."""
    return text[:11].lower() == "data:image/"


def content_of(encoded: str) -> bytes:
    """What is in a ``data:`` URL (RFC 2397), or in Base64 alone.

    Raises:
        QueryError: it is not Base64, or empty.
    """
    if encoded[:5].lower() == "data:":
        head = _DATA_URL.match(encoded[:_LONGEST_HEAD])
        if head is None or head[1] is None:
            raise QueryError("A data URL must hold Base64: data:image/jpeg;base64,...")
        encoded = encoded[head.end() :]
    try:
        content = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        raise QueryError("The image is not valid Base64.") from None
    if not content:
        raise QueryError("The image is empty.")
    return content
