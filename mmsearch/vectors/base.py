"""The vector store protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class VectorStore(Protocol):
    """Embeddings by item id, searched by inner product.

    Ids are added in ascending order and never used twice, so the order of ids is the order in the
    store, however it came about, and equal scores are returned in the same order after a rebuild.
    """

    @property
    def ids(self) -> NDArray[np.int64]:
        """The ids held, int64, ascending, shape (n,)."""

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.floating[Any]]) -> None:
        """Adds embeddings.

        Args:
            ids: shape (n,), ascending and higher than all ids held.
            vectors: float16 or float32, shape (n, dim), rows of unit length.
        """

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Removes embeddings; ids that are not held are passed over."""

    def search(
        self, query: NDArray[np.float32], k: int, *, among: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The best k by inner product.

        Args:
            query: float32, shape (dim,).
            k: how many at most.
            among: only these ids, chosen before the best k are.

        Returns:
            scores, float32, and ids, int64, both of shape (min(k, candidates),), best first,
            equal scores by ascending id.
        """

    def save(self, path: Path, *, generation: int, origin: str) -> None:
        """Replaces the file at ``path`` atomically.

        Args:
            path: where to.
            generation: of the catalog that the store agrees with.
            origin: names the catalog and the encoder that its embeddings are from.
        """
