"""What FAISS computes: k-means and exact search with many queries, on a GPU where one is there."""

from __future__ import annotations

import logging
import threading
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ITERATIONS = 8  # of k-means: more move centroids, but no longer what is found

_log = logging.getLogger(__name__)
_turn = threading.Lock()  # FAISS's handle on the GPUs is for one thread at a time


@cache
def gpu_resources() -> Any | None:
    """FAISS's handle on the GPUs; None where there is none that it can use."""
    import faiss

    if not getattr(faiss, "get_num_gpus", lambda: 0)():
        return None
    try:
        return faiss.StandardGpuResources()
    except RuntimeError as error:
        _fall_back(error)
        return None


def nearest(
    queries: NDArray[np.float32], vectors: NDArray[np.float32], k: int, *, euclidean: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The k nearest of some vectors for each query, by exact search.

    Args:
        queries: float32, shape (n, dim).
        vectors: float32, shape (m, dim).
        k: how many, at most m.
        euclidean: nearest by distance, not by inner product.

    Returns:
        inner products or squared distances, float32, and numbers of the vectors, int64, both of
        shape (n, k), best first.
    """
    import faiss

    metric = faiss.METRIC_L2 if euclidean else faiss.METRIC_INNER_PRODUCT
    resources = gpu_resources()
    if resources is not None:
        try:
            with _turn:
                return faiss.knn_gpu(resources, queries, vectors, k, metric=metric)
        except RuntimeError as error:
            _fall_back(error)
    return faiss.knn(queries, vectors, k, metric=metric)


def centroids_of(vectors: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Centroids by k-means (Lloyd 1982), float32, shape (count, dim).

    Args:
        vectors: float32, shape (n, dim), at least as many as centroids.
        count: how many.
    """
    import faiss

    def train(gpu: bool) -> NDArray[np.float32]:
        means = faiss.Kmeans(
            vectors.shape[1],
            count,
            niter=_ITERATIONS,
            seed=1,
            gpu=gpu,
            min_points_per_centroid=1,
            max_points_per_centroid=max(1, -(-len(vectors) // count)),
        )
        means.train(np.ascontiguousarray(vectors))
        return np.asarray(means.centroids, np.float32)

    if gpu_resources() is not None:
        try:
            return train(gpu=True)
        except RuntimeError as error:
            _fall_back(error)
    return train(gpu=False)


@cache
def _notice() -> None:
    _log.warning("FAISS cannot use the GPU; vectors are searched on the processor.")


def _fall_back(error: RuntimeError) -> None:
    """Says once that the GPU is not used, and why in the debug log."""
    _notice()
    _log.debug("How the GPU failed", exc_info=error)
