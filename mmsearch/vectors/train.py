"""Trains clusters over the rows of a store, and writes them to a file.

Memory is bounded by the sample and a few blocks: codes are put in order on the disk.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterator
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.vectors.clusters import MAGIC, SUFFIX, Clusters, Quantiser
from mmsearch.vectors.device import centroids_of, nearest
from mmsearch.vectors.files import ArraysFile, sync, undone_on_failure
from mmsearch.vectors.halves import as_float32
from mmsearch.vectors.rows import Rows

Progress = Callable[[int, int], None]
"""Called with the rows that are done, and all of them."""

_BLOCK = 16_384  # rows at once
_SAMPLE_OF_CLUSTER = 64  # rows of the sample for each cluster; k-means gains nothing by more
_SMALLEST_SAMPLE = 20_000
_TAILS = 5e-4  # share of a dimension's values beyond either end of its codes
_STEPS = 255


def cluster_count(rows: int) -> int:
    """A power of two near 2 * sqrt(rows): centroids and codes then take about as long."""
    return 1 << round(log2(2 * max(1, rows) ** 0.5))


def sample_of(rows: Rows, is_alive: NDArray[np.bool_], count: int) -> NDArray[np.float32]:
    """Rows from all over the store, float32, shape (at most count, dim)."""
    places = np.flatnonzero(is_alive)
    if len(places) > count:
        places = np.sort(np.random.default_rng(1).choice(places, count, replace=False))
    sample = np.empty((len(places), rows.dim), np.float32)
    for at in range(0, len(places), _BLOCK):
        taken = rows.take(places[at : at + _BLOCK])
        sample[at : at + len(taken)] = as_float32(taken)
    return sample


def sample_size(rows: int) -> int:
    """How many rows the training takes a look at."""
    return max(_SMALLEST_SAMPLE, _SAMPLE_OF_CLUSTER * cluster_count(rows))


def train_quantiser(sample: NDArray[np.float32], kept: int) -> Quantiser:
    """A quantiser that keeps the ``kept`` dimensions of highest variance.

    Args:
        sample: float32, shape (n, dim).
        kept: how many; at most dim.
    """
    mean = sample.mean(axis=0)
    centred = sample - mean
    _, directions = np.linalg.eigh(centred.T @ centred)  # ascending
    basis = np.ascontiguousarray(directions[:, ::-1][:, :kept].T, np.float32)
    projected = centred @ basis.T
    low, high = np.quantile(projected[:50_000], [_TAILS, 1 - _TAILS], axis=0).astype(np.float32)
    return Quantiser(mean, basis, low, np.maximum((high - low) / _STEPS, np.float32(1e-12)))


def train_clusters(
    rows: Rows,
    is_alive: NDArray[np.bool_],
    quantiser: Quantiser,
    sample: NDArray[np.float32],
    folder: Path,
    progress: Progress,
) -> Clusters:
    """Clusters over all saved rows, from a sample of them."""
    projected = quantiser.project(sample)
    count = min(cluster_count(int(is_alive.sum())), len(sample))
    centroids = centroids_of(projected, count)
    return write_clusters(rows, quantiser, centroids, int(is_alive.sum()), folder, progress)


def write_clusters(
    rows: Rows,
    quantiser: Quantiser,
    centroids: NDArray[np.float32],
    trained: int,
    folder: Path,
    progress: Progress,
) -> Clusters:
    """Puts all saved rows into clusters whose centroids are known.

    Raises:
        OSError: the file could not be written.
    """
    name = secrets.token_hex(6)
    with tempfile.TemporaryFile(dir=folder) as scratch:
        of_row = np.empty(rows.saved, np.int32)
        for at, block in _blocks(rows):
            projected = quantiser.project(block)
            _, found = nearest(projected, centroids, 1, euclidean=True)
            of_row[at : at + len(block)] = found[:, 0]
            scratch.write(quantiser.encode(projected).data)
            progress(at + len(block), rows.saved)
        scratch.flush()
        codes = np.memmap(scratch, np.uint8, "r", shape=(rows.saved, len(quantiser.low)))
        order = np.argsort(of_row, kind="stable")
        sizes = np.bincount(of_row, minlength=len(centroids))
        arrays: dict[str, NDArray[Any]] = {
            "mean": quantiser.mean,
            "basis": quantiser.basis,
            "low": quantiser.low,
            "step": quantiser.step,
            "centroids": np.asarray(centroids, np.float32),
            "starts": np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            "places": order.astype(np.int32),
        }
        facts = {"rows": rows.saved, "trained": trained}
        _write(folder / f"{name}{SUFFIX}", facts, arrays, codes, order)
        del codes
    return Clusters(folder, name)


def _write(
    path: Path,
    facts: dict[str, int],
    arrays: dict[str, NDArray[Any]],
    codes: NDArray[np.uint8],
    order: NDArray[np.int64],
) -> None:
    """Writes arrays, and codes in an order, to a new file; it is on the disk then, or gone."""
    shapes = {key: (array.dtype.str, array.shape) for key, array in arrays.items()}
    shapes["codes"] = ("|u1", codes.shape)
    beginning, offsets = ArraysFile.layout(MAGIC, facts, shapes)
    with undone_on_failure(path), path.open("xb") as file:
        file.write(beginning)
        for key, array in arrays.items():
            file.seek(offsets[key])
            file.write(np.ascontiguousarray(array).data)
        file.seek(offsets["codes"])
        for at in range(0, len(codes), _BLOCK):
            file.write(np.ascontiguousarray(codes[order[at : at + _BLOCK]]).data)
        sync(file)


def _blocks(rows: Rows) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """All saved rows in float32, block by block."""
    for at in range(0, rows.saved, _BLOCK):
        (block,) = rows.blocks(at, min(at + _BLOCK, rows.saved))
        yield at, as_float32(block)
