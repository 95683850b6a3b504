"""The nearest neighbours of many vectors among themselves, in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mmsearch.vectors.device import nearest

_BLOCK = 1024  # vectors at once; FAISS keeps only the best of their products
_FEW = 512  # of so few all products are kept: importing FAISS would take longer


def nearest_neighbours(
    vectors: NDArray[np.float32], count: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Finds for each vector those with the highest inner product.

    Exact: n vectors of length dim take n * n * dim multiplications.

    Args:
        vectors: float32, shape (n, dim).
        count: how many neighbours to find of each.

    Yields:
        numbers of some vectors, int64, shape (m,), and of their neighbours, int64, shape
        (m, min(count, n)), best first. A vector is found among its own neighbours too.
    """
    vectors = np.ascontiguousarray(vectors)
    count = min(count, len(vectors))
    if len(vectors) <= _FEW:
        if len(vectors):
            best = np.argsort(-(vectors @ vectors.T), axis=1, kind="stable")[:, :count]
            yield np.arange(len(vectors)), best
        return
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        _, found = nearest(block, vectors, count)
        yield np.arange(start, start + len(block)), found
