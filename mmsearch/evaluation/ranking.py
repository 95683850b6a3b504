"""Ranks all answers for all queries of one direction, and says where the right ones came.

Ties count pessimistically: whatever scores as high as a right answer is ranked before it, so an
encoder that maps everything to one point, or to nothing (NaN), gets no credit. What differs by no
more than a product of equal vectors does, which depends on their places, is a tie.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmsearch.encoders.base import Embeddings

Numbers: TypeAlias = NDArray[np.int64]

_EQUAL = np.float32(1e-6)  # similarities of unit vectors, which are summed up in any order
_BLOCK_BYTES = 64 << 20  # of similarities that are held at once


@dataclass(frozen=True, slots=True)
class Relevance:
    """Which answers are right for which queries: in both directions a pair for each caption.

    Attributes:
        query: int64, shape (captions,): the query of each pair; every query has one at least.
        answer: int64, shape (captions,): the right answer of each pair.
        photo: int64, shape (queries,): the photo that each query is, or describes.
    """

    query: Numbers
    answer: Numbers
    photo: Numbers

    @classmethod
    def of_captions(cls, photo_of_caption: Numbers) -> Relevance:
        """Captions as queries; each has one right answer, the photo that it describes."""
        return cls(np.arange(len(photo_of_caption)), photo_of_caption, photo_of_caption)

    @classmethod
    def of_photos(cls, photo_of_caption: Numbers) -> Relevance:
        """Photos with captions as queries; all of a photo's captions are right."""
        photos, query = np.unique(photo_of_caption, return_inverse=True)
        return cls(query.astype(np.int64), np.arange(len(photo_of_caption)), photos)

    def pairs_by_query(self) -> list[Numbers]:
        """The numbers of each query's pairs, ascending: int64, shape (right answers,) each."""
        pairs = np.argsort(self.query, kind="stable")
        ends = np.searchsorted(self.query[pairs], np.arange(1, len(self.photo)))
        return np.split(pairs, ends)


@dataclass(frozen=True, slots=True)
class Ranking:
    """What was found for the queries of one direction.

    Attributes:
        relevance: which answers are right.
        positions: int64, shape (captions,): where each right answer came in its query's ranking,
            1 for the best. Those of one query are all different.
        top: int64, shape (queries, depth): the best answers, best first.
        similarities: float32, shape (queries, depth): their inner products with the query.
        right: float32, shape (captions,): the right answers' similarities.
        reranked: float64, shape (queries, depth): a reranker's scores of ``top``, NaN where it
            did not judge; None for the first stage.
    """

    relevance: Relevance
    positions: Numbers
    top: Numbers
    similarities: NDArray[np.float32]
    right: NDArray[np.float32]
    reranked: NDArray[np.float64] | None = None

    @property
    def ranks(self) -> Numbers:
        """The rank of each query's best right answer, int64, shape (queries,)."""
        ranks = np.full(len(self.relevance.photo), np.iinfo(np.int64).max)
        np.minimum.at(ranks, self.relevance.query, self.positions)
        return ranks

    @property
    def average_precisions(self) -> NDArray[np.float64]:
        """The average precision of each query, in 0..1, float64, shape (queries,).

        The mean, over the query's right answers, of the share of right answers among all that are
        ranked as high as it; with one right answer, its reciprocal rank.
        """
        query = self.relevance.query
        order = np.lexsort((self.positions, query))
        count = np.bincount(query, minlength=len(self.relevance.photo))
        nth = np.arange(1, len(query) + 1) - np.repeat(np.cumsum(count) - count, count)
        precision = nth / self.positions[order]
        return np.bincount(query[order], weights=precision, minlength=len(count)) / count


def rank(queries: Embeddings, answers: Embeddings, relevance: Relevance, *, depth: int) -> Ranking:
    """Ranks by inner product; equal wrong answers come in the order of their numbers.

    Args:
        queries: float32, shape (queries, dim).
        answers: float32, shape (answers, dim).
        relevance: which answers are right.
        depth: how many of the best answers to keep for each query; 0 for their places alone.
    """
    depth = min(depth, len(answers))
    pairs = relevance.pairs_by_query()
    positions = np.empty(len(relevance.query), dtype=np.int64)
    right = np.empty(len(relevance.query), dtype=np.float32)
    top = np.empty((len(queries), depth), dtype=np.int64)
    similarities = np.empty((len(queries), depth), dtype=np.float32)

    block = max(1, _BLOCK_BYTES // (4 * len(answers)))
    for start in range(0, len(queries), block):
        stop = min(start + block, len(queries))
        of_block = np.concatenate(pairs[start:stop])
        similarity = queries[start:stop] @ answers.T
        rows, columns = relevance.query[of_block] - start, relevance.answer[of_block]
        right[of_block] = similarity[rows, columns]
        positions[of_block], best = _rank_block(similarity, rows, columns, depth)
        top[start:stop] = best
        similarities[start:stop] = np.take_along_axis(similarity, best, axis=1)
    return Ranking(relevance, positions, top, similarities, right)


def _rank_block(
    similarity: NDArray[np.float32], rows: Numbers, columns: Numbers, depth: int
) -> tuple[Numbers, Numbers]:
    """Places of the right answers, shape (pairs,), and the best answers, shape (rows, depth)."""
    right = similarity[rows, columns]
    # NaN, which a broken encoder gives, counts against it: high where wrong, low where right.
    right = np.where(np.isnan(right), -np.inf, right)
    wrong = np.where(np.isnan(similarity), np.inf, similarity)
    wrong[rows, columns] = np.nan  # neither below nor above anything
    positions = 1 + _ordinals(rows, right)
    for pair, row in enumerate(rows.tolist()):
        positions[pair] += np.count_nonzero(wrong[row] >= right[pair] - _EQUAL)
    np.maximum(wrong, np.finfo(wrong.dtype).min, out=wrong)
    wrong[rows, columns] = -np.inf  # below all that are wrong
    return positions, _best(wrong, rows, columns, positions, depth)


def _ordinals(rows: Numbers, right: NDArray[np.float32]) -> Numbers:
    """How many right answers of its row are before each, shape (pairs,)."""
    order = np.lexsort((-right, rows))
    firsts = np.searchsorted(rows[order], rows[order])
    ordinals = np.empty(len(rows), dtype=np.int64)
    ordinals[order] = np.arange(len(rows)) - firsts
    return ordinals


def _best(
    wrong: NDArray[np.float32], rows: Numbers, columns: Numbers, positions: Numbers, depth: int
) -> Numbers:
    """The best answers: the right ones at their positions, wrong ones between them."""
    if not depth:
        return np.empty((len(wrong), 0), dtype=np.int64)
    least = -np.partition(-wrong, depth - 1, axis=1)[:, depth - 1 : depth]
    above, equal = wrong > least, wrong == least
    missing = depth - np.count_nonzero(above, axis=1, keepdims=True)
    chosen = above | (equal & (np.cumsum(equal, axis=1) <= missing))
    candidates = np.nonzero(chosen)[1].reshape(-1, depth)
    scores = np.take_along_axis(wrong, candidates, axis=1)
    candidates = np.take_along_axis(candidates, np.argsort(-scores, axis=1, kind="stable"), axis=1)
    best = np.full((len(wrong), depth), -1, dtype=np.int64)
    shown = positions <= depth
    best[rows[shown], positions[shown] - 1] = columns[shown]
    for row, found in zip(best, candidates, strict=True):
        free = np.flatnonzero(row < 0)
        row[free] = found[: len(free)]
    return best
