"""The vector store protocol, and what a store says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import SettingsError

DEFAULT_RECALL = 0.98
"""Share of the ten nearest that a search finds on average, unless another is wished for."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a large store is arranged for.

    Attributes:
        recall: share of the ten nearest vectors that a search is to find, 0 < recall <= 1; where
            it is 1, every search is exact.
        memory: bytes that searching may keep in memory; None for what the recall takes.
    """

    recall: float = DEFAULT_RECALL
    memory: int | None = None

    @classmethod
    def checked(cls, recall: float, memory: int | None) -> Wish:
        """A wish from outside.

        Raises:
            SettingsError: it makes no sense.
        """
        if not 0 < recall <= 1:
            raise SettingsError(f"The recall must be above 0 and at most 1, not {recall}.")
        if memory is not None and memory <= 0:
            raise SettingsError(f"The memory must be above 0 bytes, not {memory}.")
        return cls(float(recall), memory)


@dataclass(frozen=True, slots=True)
class Plan:
    """How clusters are searched, as it was found by trying.

    Attributes:
        scanned: vectors whose codes are compared with a query, those in the nearest clusters.
        rescored: the best of these, whose float16 vectors are compared.
        recall: share of the ten nearest that were found so, measured.
        wish: what it was chosen for.
    """

    scanned: int
    rescored: int
    recall: float
    wish: Wish


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

    def vectors(self, ids: NDArray[np.int64]) -> NDArray[np.float16]:
        """The embeddings of some items, float16, shape (n, dim), in the order of the ids.

        Args:
            ids: int64, shape (n,), in any order; all of them are held.
        """

    def search(
        self, query: NDArray[np.float32], k: int, *, among: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The best k by inner product: all of them, or, in a large store, nearly all.

        Scores are exact to float32 in every store.

        Args:
            query: float32, shape (dim,).
            k: how many at most.
            among: only these ids, ascending, each once, chosen before the best k are. The store
                may remember what it found out about this very array: it must not be changed.

        Returns:
            scores, float32, and ids, int64, both of shape (min(k, candidates),), best first,
            equal scores by ascending id.
        """
