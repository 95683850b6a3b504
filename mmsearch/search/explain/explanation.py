"""What an explanation says."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmsearch.items import Modality

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class WordEffect:
    """What a word does, told by leaving it out.

    Attributes:
        word: as it stands in its text.
        start: where in the text it begins, in characters.
        end: where it ends.
        effect: what the item's similarity loses without the word, in standard deviations of the
            query's similarities to other items; below 0 where it gains.
        matched: whether the item and the query share it.
    """

    word: str
    start: int
    end: int
    effect: float
    matched: bool = False


@dataclass(frozen=True, slots=True)
class RegionMap:
    """Where in a picture something is seen.

    Attributes:
        similarities: float32, shape (rows, columns), of the picture's places from the top left;
            comparable within one map.
        picture: the photo or frame, mode RGB, upright; possibly smaller than the file's.
    """

    similarities: NDArray[np.float32]
    picture: Image

    @property
    def peak(self) -> tuple[float, float]:
        """The place most like what is sought, from the left and the top, as shares in 0..1."""
        rows, columns = self.similarities.shape
        row, column = divmod(int(self.similarities.argmax()), columns)
        return (column + 0.5) / columns, (row + 0.5) / rows

    @property
    def heat(self) -> NDArray[np.float32]:
        """How far places stand out in the picture, in 0..1: from its mean to its peak."""
        mean, most = self.similarities.mean(), self.similarities.max()
        above = (self.similarities - mean) / max(float(most - mean), 1e-6)
        clipped: NDArray[np.float32] = np.clip(above, 0, 1).astype(np.float32)
        return clipped

    @property
    def share(self) -> float:
        """The share of the picture that stands out at least half as far as its peak."""
        return float((self.heat >= 0.5).mean())

    def draw(self, caption: str = "") -> Image:
        """The map over the picture, with a legend; mode RGB.

        Args:
            caption: what is sought, for the legend.
        """
        from mmsearch.search.explain.draw import draw_heat

        return draw_heat(self.picture, self.heat, caption)


@dataclass(frozen=True, slots=True)
class TermEvidence:
    """What one term of the query says of the item.

    Attributes:
        text: the term as it was typed.
        wanted: whether hits show it, or must not.
        weight: what it counts beside the other terms.
        similarity: inner product of the term's and the item's embeddings.
        standing: how far that is above the mean of other items of the medium, in standard
            deviations.
        relevance: probability in 0..1 that the item answers the term alone; None where it is not
            among its best items.
        rank: of the item for the term alone, 1 for the best; None likewise.
        words: what each of its words does, where it is a text of several.
        regions: where in the item's picture it is seen, where there is one.
    """

    text: str
    wanted: bool
    weight: float
    similarity: float
    standing: float
    relevance: float | None
    rank: int | None
    words: tuple[WordEffect, ...] = ()
    regions: RegionMap | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an item answers a query as well as it does.

    Attributes:
        query: as it was typed.
        encoder: id of the encoder.
        path: the item's file.
        modality: what kind of item it is.
        item: its id.
        asset: its file's id.
        text: what is written or said, where it has text.
        start: seconds into timed media.
        end: seconds into timed media.
        ranked: how many items were ranked.
        rank: of the item among all items, 1 for the best; None where `unranked` says why.
        unranked: why it has no rank; None where it has one.
        score: what the first stage orders by; None without a rank.
        relevance: calibrated probability that it answers; None without a rank.
        similarity: inner product with what the query seeks.
        standing: how far that is above the mean of other items of the medium, in standard
            deviations.
        words_gain: what it gains by words that it shares with the query, or that its file's name
            does, in standard deviations of similarity; a part of ``score``.
        coverage: share of the query's words, by weight, that it holds.
        reranked: the reranker's score; None where none was asked or it did not judge the item.
        reranked_rank: the rank after reranking, likewise.
        terms: what each term of the query says of it.
        words: what each word of its text does, where it has text.
        regions: where in its picture the whole query is seen, where it has one; of a caption, in
            the photo that it is about.
        unreadable: why its picture cannot be looked at; None where it could, or there is none.
    """

    query: str
    encoder: str
    path: Path
    modality: Modality
    item: int
    asset: int
    text: str | None
    start: float | None
    end: float | None
    ranked: int
    rank: int | None
    unranked: str | None
    score: float | None
    relevance: float | None
    similarity: float
    standing: float
    words_gain: float
    coverage: float
    reranked: float | None = None
    reranked_rank: int | None = None
    terms: tuple[TermEvidence, ...] = ()
    words: tuple[WordEffect, ...] = field(default=())
    regions: RegionMap | None = None
    unreadable: str | None = None
