"""Which words matter: each is left out in turn, and the similarity looked at again.

The text is read anew without each word (Li, Monroe and Jurafsky 2016, "Understanding neural
networks through representation erasure"), so a word counts with all that it does to the others.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmsearch.encoders.base import DualEncoder, Embeddings
from mmsearch.search.explain.explanation import WordEffect

MOST = 100
"""Of a longer text, only the first words are left out in turn."""

_WORD = re.compile(r"\S*\w\S*")
_MARKS = re.compile(r"^\W+|\W+$")


@dataclass(frozen=True, slots=True)
class Standard:
    """How far similarities to one item stand out among those to others of its medium.

    Attributes:
        item: the item's embedding, float32, shape (dim,).
        others: embeddings of a sample of its medium, float32, shape (n, dim), n at least 1.
    """

    item: NDArray[np.float32]
    others: Embeddings

    def standing(self, queries: Embeddings) -> NDArray[np.float64]:
        """Standard deviations above the mean.

        Args:
            queries: float32, shape (m, dim).

        Returns:
            float64, shape (m,).
        """
        similarities = (queries @ self.others.T).astype(np.float64)
        spread = np.maximum(similarities.std(axis=1), _LEAST)
        above: NDArray[np.float64] = (queries @ self.item - similarities.mean(axis=1)) / spread
        return above


_LEAST = 0.02  # of the spread: in an index of few items nothing can be told from it


def query_words(text: str, encoder: DualEncoder, standard: Standard) -> tuple[WordEffect, ...]:
    """What each word of a query does for one item; nothing for a single word."""

    def judge(embeddings: Embeddings) -> NDArray[np.float64]:
        return standard.standing(embeddings)

    return _left_out(text, encoder, judge, matching=frozenset())


def item_words(
    text: str,
    encoder: DualEncoder,
    sought: NDArray[np.float32],
    standard: Standard,
    *,
    asked: str,
) -> tuple[WordEffect, ...]:
    """What each word of an item's text does for one query.

    Args:
        text: of the item.
        encoder: the index's.
        sought: the query's embedding, float32, shape (dim,).
        standard: of the item.
        asked: the query's words.
    """
    spread = max(float((standard.others @ sought).std()), _LEAST)

    def judge(embeddings: Embeddings) -> NDArray[np.float64]:
        return (embeddings @ sought).astype(np.float64) / spread

    matching = frozenset(plain_word(match[0]) for match in _WORD.finditer(asked))
    return _left_out(text, encoder, judge, matching=matching)


def plain_word(word: str) -> str:
    """A word as full text compares it: without case, diacritics and punctuation around it."""
    bare = _MARKS.sub("", word).casefold()
    return "".join(c for c in unicodedata.normalize("NFD", bare) if not unicodedata.combining(c))


def _left_out(
    text: str,
    encoder: DualEncoder,
    judge: Callable[[Embeddings], NDArray[np.float64]],
    *,
    matching: frozenset[str],
) -> tuple[WordEffect, ...]:
    places = list(_WORD.finditer(text))[:MOST]
    if not places or (len(places) == 1 and not matching):
        return ()
    without = [f"{text[: at.start()]}{text[at.end() :]}".strip() for at in places]
    judged = judge(encoder.encode_texts([text, *without]))
    return tuple(
        WordEffect(
            word=at[0],
            start=at.start(),
            end=at.end(),
            effect=float(judged[0] - other),
            matched=plain_word(at[0]) in matching,
        )
        for at, other in zip(places, judged[1:].tolist(), strict=True)
    )
