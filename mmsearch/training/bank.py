"""The bank of captions that nearest neighbour normalisation looks into."""

from __future__ import annotations

import numpy as np

from mmsearch.encoders.embedded.heads import Floats


def centroids(rows: Floats, count: int, *, rounds: int = 10, seed: int = 0) -> Floats:
    """Centroids of rows by k-means (Lloyd 1982), so that a small bank stands for many captions.

    Args:
        rows: float32, shape (n, dim).
        count: how many centroids; as many as there are rows, at most.
        rounds: of assignment and update.
        seed: of the rows that the centroids start from.

    Returns:
        float32, shape (min(count, n), dim).
    """
    if len(rows) <= count:
        return rows.copy()
    generator = np.random.default_rng(seed)
    centres: Floats = rows[generator.choice(len(rows), count, replace=False)]
    for _ in range(rounds):
        nearest = np.argmax(rows @ centres.T - (centres**2).sum(axis=1) / 2, axis=1)
        sizes = np.bincount(nearest, minlength=count)
        # A centroid that is nearest to no row stays where it was.
        kept = sizes > 0
        order = np.argsort(nearest, kind="stable")
        starts = (np.cumsum(sizes) - sizes)[kept]
        sums = np.add.reduceat(rows[order], starts, axis=0)
        centres = centres.copy()
        centres[kept] = sums / sizes[kept, None]
    return centres
