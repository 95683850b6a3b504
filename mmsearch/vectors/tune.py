"""Finds out how clusters must be searched for a wish, by trying it against exact search.

Queries for that are made from what the store holds, for nobody's queries are known beforehand:

- Photos as queries: vectors from all over the store, each turned away from where it was until
  its cosine with that is 0.8, about what two photos of one thing have. Unturned, each would be
  its own nearest neighbour, in the middle of its own cluster, and far too easy.
- Texts as queries: what the index keeps of its encoder's texts in general. A dual encoder puts
  texts far away from all pictures, where the nearest are spread over many clusters: these are
  hard. Where there are none, vectors that are turned away further stand for them, to a cosine
  of 0.4.

The recall that counts is that of the kind that fares worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmsearch.vectors.base import Plan, Wish
from mmsearch.vectors.clusters import Allowed, Clusters, Quantiser
from mmsearch.vectors.device import nearest
from mmsearch.vectors.halves import as_float32, settled_products
from mmsearch.vectors.rows import Rows

NEIGHBOURS = 10
"""So many nearest are to be found: recall is recall@10."""

QUERIES = 128
"""Of each kind: their recall is known to about half a percent."""

_LIKE_PHOTOS, _LIKE_TEXTS = 0.8, 0.4  # cosines to what is in the store
_BLOCK = 8192  # rows that are compared with all queries at once
_EQUAL = 1e-5  # a result that is hardly worse than the tenth is as good
_RESCORED = (64, 128, 256, 512, 1024)
_REFINEMENTS = 3


@dataclass(frozen=True, slots=True)
class Trial:
    """Queries of one kind, and what they must find.

    Attributes:
        queries: float32, shape (n, dim).
        least: the exact product of each with its tenth best, float32, shape (n,).
    """

    queries: NDArray[np.float32]
    least: NDArray[np.float32]


def make_trials(
    rows: Rows, is_alive: NDArray[np.bool_], texts: NDArray[np.float16] | None
) -> list[Trial]:
    """Queries for a store, answered by exact search.

    Args:
        rows: of the store; at least ten are alive.
        is_alive: which of them count.
        texts: embeddings of texts in general, shape (n, dim); None for none.
    """
    random = np.random.default_rng(2)
    places = random.choice(np.flatnonzero(is_alive), 2 * QUERIES)
    held = as_float32(rows.take(places))
    like_photos = _turned(held[:QUERIES], _LIKE_PHOTOS, random)
    if texts is None or not len(texts):
        like_texts = _turned(held[QUERIES:], _LIKE_TEXTS, random)
    else:
        chosen = random.permutation(len(texts))[:QUERIES]
        like_texts = texts[chosen].astype(np.float32)
    kinds = [like_photos, like_texts]
    best = _best_products(rows, is_alive, np.concatenate(kinds))
    least = np.split(best.min(axis=1), [len(like_photos)])
    return [Trial(*one) for one in zip(kinds, least, strict=True)]


def recall_of_codes(
    quantiser: Quantiser, sample: NDArray[np.float32], trials: list[Trial]
) -> float:
    """Share of the ten nearest of a sample that are among the hundred best by their codes.

    Args:
        quantiser: makes the codes.
        sample: float32, shape (n, dim).
        trials: their queries count.
    """
    codes = quantiser.encode(quantiser.project(sample)).astype(np.float32)
    found = []
    for trial in trials:
        weights = trial.queries @ quantiser.basis.T * quantiser.step
        _, best = nearest(weights, codes, min(100, len(sample)))
        _, exact = nearest(trial.queries, sample, min(NEIGHBOURS, len(sample)))
        shares = [np.isin(a, b).mean() for a, b in zip(exact, best, strict=True)]
        found.append(float(np.mean(shares)))
    return min(found)


def find_plan(
    clusters: Clusters,
    rows: Rows,
    is_alive: NDArray[np.bool_],
    trials: Sequence[Trial],
    wish: Wish,
) -> Plan:
    """The plan that looks at the fewest vectors and has the recall; else the one with the most.

    Args:
        clusters: over the rows.
        rows: that the clusters cover.
        is_alive: which of them count.
        trials: the plan must hold for each.
        wish: the recall to reach.
    """
    allowed = None if is_alive.all() else clusters.allow(np.flatnonzero(is_alive))

    def recall(scanned: int, rescored: int) -> float:
        return min(_recall(clusters, rows, allowed, one, scanned, rescored) for one in trials)

    everything = int(is_alive.sum())
    *fewer, most = _RESCORED
    scanned, missed = min(everything, max(1000, 2 * everything // len(clusters.centroids))), 0
    while (reached := recall(scanned, most)) < wish.recall and scanned < everything:
        scanned, missed = min(2 * scanned, everything), scanned
    if reached < wish.recall:
        return Plan(scanned, most, reached, wish)
    for _ in range(_REFINEMENTS if missed else 0):
        between = (missed + scanned) // 2
        if (found := recall(between, most)) >= wish.recall:
            scanned, reached = between, found
        else:
            missed = between
    for rescored in fewer:
        if (found := recall(scanned, rescored)) >= wish.recall:
            return Plan(scanned, rescored, found, wish)
    return Plan(scanned, most, reached, wish)


def _recall(
    clusters: Clusters,
    rows: Rows,
    allowed: Allowed | None,
    trial: Trial,
    scanned: int,
    rescored: int,
) -> float:
    found = 0
    for query, least in zip(trial.queries, trial.least, strict=True):
        places = clusters.candidates(query, scanned=scanned, kept=rescored, allowed=allowed)
        products = settled_products(rows.take(places), query)
        found += min(NEIGHBOURS, int(np.count_nonzero(products >= least - _EQUAL)))
    return found / (NEIGHBOURS * len(trial.queries))


def _best_products(
    rows: Rows, is_alive: NDArray[np.bool_], queries: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The ten highest products of each query with rows, float32, shape (queries, 10)."""
    best = np.full((len(queries), NEIGHBOURS), -np.inf, np.float32)
    places = np.flatnonzero(is_alive)
    for at in range(0, len(places), _BLOCK):
        block = as_float32(rows.take(places[at : at + _BLOCK]))
        products, _ = nearest(queries, block, min(NEIGHBOURS, len(block)))
        best = -np.partition(-np.hstack([best, products]), NEIGHBOURS - 1)[:, :NEIGHBOURS]
    return best


def _turned(
    vectors: NDArray[np.float32], cosine: float, random: np.random.Generator
) -> NDArray[np.float32]:
    """Vectors of unit length that have a cosine with the given ones, in any direction."""
    away = random.standard_normal(vectors.shape).astype(np.float32)
    away -= (away * vectors).sum(axis=1, keepdims=True) * vectors
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-12)
    turned: NDArray[np.float32] = cosine * vectors + np.float32((1 - cosine**2) ** 0.5) * away
    return turned
