"""What is asked of an index."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import QueryError, SourceNotFoundError
from mmsearch.items import Modality
from mmsearch.search.words import parse_words

if TYPE_CHECKING:
    from PIL.Image import Image

    from mmsearch.encoders.base import DualEncoder


@dataclass(frozen=True, slots=True)
class Query:
    """One question: a text, an image or a recording, and what may answer it.

    Attributes:
        text: what to look for, in words; see `mmsearch.search.words` for phrases and prefixes.
        image: what to look for, as a picture's path.
        audio: what to look for, as the path of a recording that says it; it must become a text
            before it is searched for.
        modality: only items of this modality.
        folder: only items of files in this folder and below.
    """

    text: str | None = None
    image: Path | None = None
    audio: Path | None = None
    modality: Modality | None = None
    folder: Path | None = None

    def __post_init__(self) -> None:
        if [self.text, self.image, self.audio].count(None) != 2:
            raise QueryError("Give one thing to search for: a text, an image or a recording.")
        if self.text is not None and not self.text.strip():
            raise QueryError("The query is empty: say what to look for.")


def embed_query(
    query: Query, encoder: DualEncoder, *, max_megapixels: float
) -> NDArray[np.float32]:
    """The query's embedding, float32, shape (dim,), unit length.

    Raises:
        QueryError: the query is a recording.
        SourceNotFoundError: the image is not there.
        MediaError: the image cannot be read.
    """
    if query.image is None:
        if query.text is None:
            raise QueryError("A recording must be transcribed before it is searched for.")
        vectors = encoder.encode_texts([parse_words(query.text).plain or query.text])
        return vectors.reshape(-1)

    transform = encoder.transform
    image = picture_of(
        query, max_megapixels=max_megapixels, min_size=(transform.width, transform.height)
    )
    vectors = encoder.encode_images(transform(image)[np.newaxis])
    return vectors.reshape(-1)


def picture_of(
    query: Query, *, max_megapixels: float, min_size: tuple[int, int] | None = None
) -> Image:
    """The image of a query by image, as `mmsearch.media.image` reads it.

    Raises:
        QueryError: the query is no image.
        SourceNotFoundError: the image is not there.
        MediaError: it cannot be read.
    """
    from mmsearch.media.image import read_image_file

    if query.image is None:
        raise QueryError("A recording must be transcribed before it is searched for.")
    if not query.image.is_file():
        raise SourceNotFoundError(f"There is no image at {query.image}.")
    return read_image_file(query.image, max_megapixels=max_megapixels, min_size=min_size).image
