"""An inverted file with scalar quantisation: which vectors are worth an exact comparison.

Vectors are centred, turned so that their variance is in few dimensions (PCA), cut to these, and
put into clusters (IVF; Sivic and Zisserman 2003, Jegou et al. 2011). Of each, every dimension is
kept as 8 bits. A query is compared with the codes in the clusters whose centroids have the highest
inner products with it; the best of these are then to be compared exactly.

FAISS trains (see `mmsearch.vectors.train`). Searching is NumPy on memory-mapped arrays: it takes
no longer, a lone query need not wait until FAISS is imported, and a search among few vectors can
choose the clusters that hold some of them. The file never changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmsearch.vectors.files import ArraysFile

MAGIC = b"mmsivf01"
SUFFIX = ".ivf"

_FEW = 8  # one in so many rows, or fewer, are faster put in order than all are looked through
_BLOCK = 1024  # codes at once: as float32 they stay in the processor's cache


@dataclass(frozen=True, slots=True)
class Quantiser:
    """Turns vectors into codes of 8 bits a dimension.

    Attributes:
        mean: of the vectors, float32, shape (dim,).
        basis: the directions that are kept, float32, shape (kept, dim), orthonormal rows.
        low: what the code 0 stands for, float32, shape (kept,).
        step: from one code to the next, float32, shape (kept,).
    """

    mean: NDArray[np.float32]
    basis: NDArray[np.float32]
    low: NDArray[np.float32]
    step: NDArray[np.float32]

    def project(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Vectors, shape (n, dim), centred and turned: float32, shape (n, kept)."""
        projected: NDArray[np.float32] = np.matmul(vectors - self.mean, self.basis.T)
        return projected

    def encode(self, projected: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Codes of projected vectors, uint8, shape (n, kept)."""
        codes: NDArray[np.uint8] = (
            np.rint((projected - self.low) / self.step).clip(0, 255).astype(np.uint8)
        )
        return codes


@dataclass(frozen=True, slots=True)
class Allowed:
    """Vectors that a search is restricted to, as clusters need it.

    Attributes:
        positions: in the order of the clusters' members, int64, ascending, shape (n,).
        starts: where each cluster's positions begin, and the end, int64, shape (clusters + 1,).
    """

    positions: NDArray[np.int64]
    starts: NDArray[np.int64]


class Clusters:
    """The trained part of a large store, over its first rows.

    Attributes:
        name: of its file.
        quantiser: makes the codes.
        centroids: of the clusters, projected, float32, shape (clusters, kept).
        rows: how many rows of the store it covers, from the first on.
        trained: of how many rows its training was.
    """

    def __init__(self, folder: Path, name: str) -> None:
        """Opens a saved one.

        Raises:
            OSError: the file is not there, or damaged.
        """
        path = folder / f"{name}{SUFFIX}"
        self.name = name
        try:
            self._open(ArraysFile(path, MAGIC))
        except (KeyError, TypeError, ValueError) as error:
            raise OSError(f"{path} is damaged.") from error

    def _open(self, file: ArraysFile) -> None:
        self.rows: int = file.header["rows"]
        self.trained: int = file.header["trained"]
        # Copies of what every query reads, views of the rest.
        self.quantiser = Quantiser(
            *(np.array(file.map(part)) for part in ("mean", "basis", "low", "step"))
        )
        self.centroids: NDArray[np.float32] = np.array(file.map("centroids"))
        self._starts: NDArray[np.int64] = np.array(file.map("starts"))
        self._sizes = np.diff(self._starts)
        self._places: NDArray[np.int32] = file.map("places")
        self._codes: NDArray[np.uint8] = file.map("codes")
        lengths = {self.rows, int(self._starts[-1]), len(self._places), len(self._codes)}
        if len(lengths) > 1 or np.any(self._sizes < 0) or len(self._sizes) != len(self.centroids):
            raise ValueError("the parts do not agree")

    @property
    def memory(self) -> int:
        """Bytes that searching keeps in memory once all of it has been read."""
        kept = self.quantiser
        parts = (kept.basis, kept.mean, kept.low, kept.step, self.centroids, self._starts)
        return sum(part.nbytes for part in (*parts, self._places, self._codes)) + 4 * self.rows

    @property
    def is_whole(self) -> bool:
        """Whether every row is in exactly one place; looks at all of them."""
        return np.array_equal(np.sort(self._places), np.arange(self.rows))

    def allow(self, places: NDArray[np.int64]) -> Allowed:
        """Restricts searches to the rows at some places, int64, shape (n,), all below `rows`."""
        if len(places) < self.rows // _FEW:
            positions = np.sort(self._position_of[places]).astype(np.int64)
        else:
            is_allowed = np.zeros(self.rows, bool)
            is_allowed[places] = True
            positions = np.flatnonzero(is_allowed[self._places])
        return Allowed(positions, np.searchsorted(positions, self._starts))

    @cached_property
    def _position_of(self) -> NDArray[np.int32]:
        """Where in the order of the clusters' members each row is, int32, shape (rows,)."""
        position_of = np.empty(self.rows, np.int32)
        position_of[self._places] = np.arange(self.rows, dtype=np.int32)
        return position_of

    def candidates(
        self,
        query: NDArray[np.float32],
        *,
        scanned: int,
        kept: int,
        allowed: Allowed | None = None,
    ) -> NDArray[np.int64]:
        """The places of those that are likely nearest.

        Args:
            query: float32, shape (dim,).
            scanned: so many codes are looked at, at least, or all that are allowed. So a
                search among few looks into more clusters, and misses no more than any other.
            kept: so many candidates are returned, or all that there are.
            allowed: only these.

        Returns:
            int64, shape (n,), in no order.
        """
        projected = self.quantiser.basis @ query
        starts = self._starts if allowed is None else allowed.starts
        sizes = self._sizes if allowed is None else np.diff(starts)
        order = np.argsort(-(self.centroids @ projected))
        reached = np.cumsum(sizes[order])
        probed = order[: np.searchsorted(reached, scanned) + 1]
        probed = probed[sizes[probed] > 0]
        if not len(probed):
            return np.empty(0, np.int64)
        # Members of a cluster lie together, those that are allowed do not.
        ranges = [slice(starts[at], starts[at + 1]) for at in probed]
        if allowed is None:
            parts = (self._codes[one] for one in ranges)
            positions = None
        else:
            positions = np.concatenate([allowed.positions[one] for one in ranges])
            parts = (
                self._codes[positions[at : at + _BLOCK]] for at in range(0, len(positions), _BLOCK)
            )
        scores = _products(parts, int(sizes[probed].sum()), projected * self.quantiser.step)
        best = (
            np.argpartition(-scores, kept - 1)[:kept]
            if kept < len(scores)
            else np.arange(len(scores))
        )
        if positions is None:
            ends = np.cumsum(sizes[probed])
            of = np.searchsorted(ends, best, side="right")
            best = best - ends[of] + starts[probed + 1][of]
        else:
            best = positions[best]
        return self._places[best].astype(np.int64)


def _products(
    parts: Iterator[NDArray[np.uint8]], count: int, weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Inner products of codes with weights, float32, shape (count,).

    Small parts are put together, for one large product takes less time than many small ones.
    """
    scores = np.empty(count, np.float32)
    buffer = np.empty((_BLOCK, len(weights)), np.float32)
    done = filled = 0
    for part in parts:
        first = 0
        while first < len(part):
            taken = min(_BLOCK - filled, len(part) - first)
            buffer[filled : filled + taken] = part[first : first + taken]
            first += taken
            filled += taken
            if filled == _BLOCK:
                np.dot(buffer, weights, out=scores[done : done + _BLOCK])
                done, filled = done + _BLOCK, 0
    np.dot(buffer[:filled], weights, out=scores[done:])
    return scores
