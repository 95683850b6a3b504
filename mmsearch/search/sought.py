"""What is sought, as directions in the embedding space.

Texts are put together before they are embedded: a text tower understands "a dog, snow" better
than the sum of two vectors says it (``docs/query-language.md`` has the evidence). Pictures, and
items of the index, are added to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmsearch.catalog.reader import CatalogReader
from mmsearch.errors import MediaError, QueryError, SourceNotFoundError
from mmsearch.search.language.spot import syntax_error
from mmsearch.search.language.tree import Like, Question, Term
from mmsearch.search.normalise import Background, Medium
from mmsearch.search.reference import resolve_items
from mmsearch.search.words import Words

if TYPE_CHECKING:
    from PIL.Image import Image

    from mmsearch.encoders.base import DualEncoder

CONTRAST = 0.6
"""How much of an unwanted direction is taken off: see `mmsearch.search.exclude`."""


@dataclass(frozen=True, slots=True)
class Direction:
    """Something that hits are near to, or far from.

    Attributes:
        vector: float32, shape (dim,), unit length.
        medium: which tower it comes from.
        weight: how much it counts beside the others; below 0 for what feedback turned down.
        words: where it is a text, its words.
    """

    vector: NDArray[np.float32]
    medium: Medium
    weight: float = 1.0
    words: Words | None = None


@dataclass(frozen=True, slots=True)
class Sought:
    """All that a query is about, embedded.

    Attributes:
        wanted: what hits are near to; may be empty.
        unwanted: what hits do not show or say.
        itself: ids of items that are no answers: examples that were named, and what feedback
            turned down.
    """

    wanted: tuple[Direction, ...]
    unwanted: tuple[Direction, ...] = ()
    itself: tuple[int, ...] = ()

    @classmethod
    def text(cls, vector: NDArray[np.float32]) -> Sought:
        """What one text asks for, whose embedding is at hand."""
        return cls((Direction(vector, Medium.TEXT),))

    @property
    def medium(self) -> Medium:
        """The medium of most of what is wanted; of what is not, where nothing is."""
        weights = dict.fromkeys(Medium, 0.0)
        for one in self.wanted or self.unwanted:
            weights[one.medium] += one.weight
        return max(Medium, key=weights.__getitem__)

    @property
    def length(self) -> float:
        """The length of what is wanted before it is brought to unit length; 1 for nothing."""
        return _length([(one.weight, one) for one in self.wanted]) if self.wanted else 1.0

    @property
    def vector(self) -> NDArray[np.float32] | None:
        """What is wanted in one, float32, shape (dim,), unit length; None for nothing."""
        return _sum([(one.weight, one) for one in self.wanted]) if self.wanted else None

    @property
    def pull(self) -> NDArray[np.float32]:
        """Where to search: towards what is wanted, and away from what is not; unit length."""
        return _sum(self._coefficients())

    def background(self, known: Callable[[Medium], Background]) -> Background:
        """What to expect of similarities of ``pull`` to unrelated items of a medium.

        Args:
            known: what is expected of queries of one medium.
        """
        coefficients = self._coefficients()
        length = _length(coefficients)
        parts = [(c / length, known(one.medium)) for c, one in coefficients]
        return Background(
            mean=sum(share * part.mean for share, part in parts),
            deviation=sum((share * part.deviation) ** 2 for share, part in parts) ** 0.5,
        )

    def _coefficients(self) -> list[tuple[float, Direction]]:
        """What directions count in ``pull``, where what is wanted has length 1."""
        length = self.length
        share = CONTRAST / max(1, len(self.unwanted)) ** 0.5
        return [
            *((one.weight / length, one) for one in self.wanted),
            *((-share * one.weight, one) for one in self.unwanted),
        ]


def embed_question(question: Question, encoder: DualEncoder, *, max_megapixels: float) -> Sought:
    """Embeds the texts and pictures of a question; items of the index are left out.

    Args:
        question: what is asked.
        encoder: of the index.
        max_megapixels: larger images are refused.

    Raises:
        SourceNotFoundError: an image is not there.
        MediaError: an image cannot be read.
    """
    texts = [*_layers(question.wanted)]
    wanted_texts = len(texts)
    texts += [
        (one.weight, one.subject) for one in question.unwanted if isinstance(one.subject, Words)
    ]
    vectors = encoder.encode_texts([words.plain for _, words in texts]) if texts else ()
    directions = [
        Direction(vector, Medium.TEXT, weight, words)
        for vector, (weight, words) in zip(vectors, texts, strict=True)
    ]
    return Sought(
        wanted=(
            *directions[:wanted_texts],
            *_pictures(question.wanted, encoder, max_megapixels),
        ),
        unwanted=(
            *directions[wanted_texts:],
            *_pictures(question.unwanted, encoder, max_megapixels),
        ),
    )


def with_items(sought: Sought, question: Question, reader: CatalogReader) -> Sought:
    """Adds the items of the index that a question names.

    Raises:
        QuerySyntaxError: one of them is not in the index.
    """
    itself: list[int] = []
    found: dict[bool, list[Direction]] = {True: [], False: []}
    for is_wanted, terms in ((True, question.wanted), (False, question.unwanted)):
        for term in terms:
            if isinstance(term.subject, Like):
                items = _items(question, term, term.subject, reader)
                found[is_wanted].append(direction_of(items, term.weight, reader))
                itself += items if is_wanted else []
    return replace(
        sought,
        wanted=(*sought.wanted, *found[True]),
        unwanted=(*sought.unwanted, *found[False]),
        itself=tuple(sorted({*sought.itself, *itself})),
    )


def direction_of(items: Sequence[int], weight: float, reader: CatalogReader) -> Direction:
    """What items of the index show together; what they say, where they show nothing.

    Raises:
        QueryError: none of them has an embedding.
    """
    ids, vectors = reader.embeddings(items)
    if not len(ids):
        raise QueryError(
            f"The item #{items[0]} has no embedding yet; run `mmsearch index` to finish it."
        )
    records = reader.items(ids.tolist())
    is_picture = [records[item].modality in Medium.PICTURE.modalities for item in ids.tolist()]
    medium = Medium.PICTURE if any(is_picture) else Medium.TEXT
    chosen = vectors[is_picture] if any(is_picture) else vectors
    return Direction(_unit(chosen.astype(np.float32).sum(axis=0)), medium, weight)


def picture_of(
    path: Path, *, max_megapixels: float, min_size: tuple[int, int] | None = None
) -> Image:
    """The image of a query, as `mmsearch.media.image` reads it.

    Raises:
        SourceNotFoundError: the image is not there.
        MediaError: it cannot be read; the message names it.
    """
    from mmsearch.media.image import read_image_file

    if not path.is_file():
        raise SourceNotFoundError(f"There is no image at {path}.")
    try:
        return read_image_file(path, max_megapixels=max_megapixels, min_size=min_size).image
    except MediaError as error:
        raise error.of(path.name) from error


def _layers(terms: Sequence[Term]) -> Iterator[tuple[float, Words]]:
    """Texts put together, with weights.

    The lightest weight is that of all texts together, the next one's excess that of all others, and
    so on: "dog^3 + snow" is "dog, snow" once and "dog" twice.
    """
    texts = [(one.weight, one.subject) for one in terms if isinstance(one.subject, Words)]
    below = 0.0
    for weight in sorted({weight for weight, _ in texts}):
        words = [words for others, words in texts if others >= weight]
        plain = ", ".join(one.plain for one in words if one.plain)
        yield weight - below, replace(Words.joined(words), plain=plain)
        below = weight


def _pictures(
    terms: Sequence[Term], encoder: DualEncoder, max_megapixels: float
) -> Iterator[Direction]:
    for term in terms:
        if isinstance(term.subject, Path):
            transform = encoder.transform
            size = (transform.width, transform.height)
            image = picture_of(term.subject, max_megapixels=max_megapixels, min_size=size)
            (vector,) = encoder.encode_images(transform(image)[np.newaxis])
            yield Direction(vector, Medium.PICTURE, term.weight)


def _items(question: Question, term: Term, like: Like, reader: CatalogReader) -> list[int]:
    try:
        return resolve_items(reader, like.name)
    except QueryError as error:
        assert term.span is not None
        raise syntax_error(question.text, term.span, str(error)) from error


def _sum(parts: Sequence[tuple[float, Direction]]) -> NDArray[np.float32]:
    """The weighted sum of directions, of unit length."""
    if len(parts) == 1 and parts[0][0] > 0:
        return parts[0][1].vector
    return _unit(np.stack([weight * one.vector for weight, one in parts]).sum(axis=0))


def _length(parts: Sequence[tuple[float, Direction]]) -> float:
    """The length of a weighted sum of directions."""
    total = np.stack([weight * one.vector for weight, one in parts]).sum(axis=0)
    return max(float(np.linalg.norm(total)), 1e-12)


def _unit(vector: NDArray[np.floating]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = (vector / max(float(np.linalg.norm(vector)), 1e-12)).astype(
        np.float32
    )
    return unit
