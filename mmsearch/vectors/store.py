"""The vector store: exact while it is small, in clusters and then exact when it is large.

    head       which files belong together: see `mmsearch.vectors.head`
    *.ids      ids, and
    *.rows     float16 vectors: see `mmsearch.vectors.rows`
    *.ivf      clusters over the first rows: see `mmsearch.vectors.clusters`

Whatever is found, its score is computed from its float16 vector in one and the same way, so that
scores and the order of equal ones do not depend on how the store is arranged. Rows that came after
the clusters were made are searched exactly.
"""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.vectors.base import Plan, Wish
from mmsearch.vectors.clusters import SUFFIX, Allowed, Clusters
from mmsearch.vectors.halves import inner_products, settled_products
from mmsearch.vectors.head import HEAD_NAME, Head
from mmsearch.vectors.rows import Rows

Found = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Scores and ids, best first."""

FEW = 4096
"""So few vectors are compared exactly: that takes no longer than to look for them in clusters."""

_TOLERANCE = 1e-5  # what products of unit vectors may differ by, however they are computed
_DEEPER = 20  # codes that are looked at for each result that is asked for, at least
_BLOCK = 4096  # scattered rows that are compared at once
_REMEMBERED = 16  # restrictions of searches, for instance to photos


class Store:
    """A `mmsearch.vectors.base.VectorStore` over float16 rows.

    Several threads may search at once; what is to be changed meanwhile is a `copy`.

    Attributes:
        rows: the vectors, removed ones included.
        clusters: over the first rows; None where every search is exact.
        plan: how the clusters are searched.
        wish: what was wished for.
    """

    def __init__(self, dim: int) -> None:
        """Makes an empty store for vectors of length ``dim``."""
        self.rows = Rows(dim)
        self.clusters: Clusters | None = None
        self.plan: Plan | None = None
        self.wish = Wish()
        self._is_alive: NDArray[np.bool_] = np.empty(0, bool)
        self._ids: NDArray[np.int64] | None = None
        self._forget()

    @property
    def ids(self) -> NDArray[np.int64]:
        """The ids held, int64, ascending, shape (n,)."""
        if self._ids is None:
            ids = self._row_ids
            self._ids = ids if self._is_whole else ids[self._is_alive]
        return self._ids

    @property
    def is_alive(self) -> NDArray[np.bool_]:
        """Which rows were not removed, bool, shape (rows,)."""
        return self._is_alive

    @property
    def pending(self) -> int:
        """How many rows came after the clusters were made."""
        return len(self.rows) - (self.clusters.rows if self.clusters else 0)

    def copy(self) -> Store:
        """Another one of the same content, to be changed while this one is searched."""
        made = copy.copy(self)
        made.rows = self.rows.copy()
        made._is_alive = self._is_alive.copy()
        made._forget()
        return made

    def take_rows(self, rows: Rows) -> None:
        """Fills an empty store with rows."""
        self.rows = rows
        self._is_alive = np.ones(len(rows), bool)
        self._forget()

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.floating[Any]]) -> None:
        """Adds embeddings; see `VectorStore.add`."""
        self.rows.add(ids, vectors)
        self._is_alive = np.concatenate([self._is_alive, np.ones(len(ids), bool)])
        self._forget()

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Removes embeddings; see `VectorStore.remove`."""
        self._is_alive[self._places(ids)] = False
        self._forget()

    def vectors(self, ids: NDArray[np.int64]) -> NDArray[np.float16]:
        """The embeddings of some items; see `VectorStore.vectors`."""
        return self.rows.take(np.searchsorted(self._row_ids, ids))

    def search(
        self, query: NDArray[np.float32], k: int, *, among: NDArray[np.int64] | None = None
    ) -> Found:
        """The best k by inner product; see `VectorStore.search`."""
        scope = self._everything if among is None else self._among(among)
        k = min(k, scope.count)
        if k == 0:
            return np.empty(0, np.float32), np.empty(0, np.int64)
        query = np.ascontiguousarray(query, np.float32)
        if k == scope.count <= FEW:
            return self._ordered(scope.places, scope.vectors(self.rows), query, k)
        if k == scope.count:
            places = scope.places
        elif self.clusters is None or scope.count <= max(FEW, 2 * k):
            places = self._near(query, k, scope.places)
        else:
            places = self._in_clusters(query, k, scope)
        return self._ordered(places, self.rows.take(places), query, k)

    def agrees_with(self, embeddings: Iterable[tuple[NDArray[np.int64], NDArray[Any]]]) -> bool:
        """Whether it holds exactly some embeddings, and nothing of it is damaged.

        Args:
            embeddings: ids and vectors, ascending, in chunks.
        """
        at = 0
        for ids, vectors in embeddings:
            held = self.ids[at : at + len(ids)]
            if not (np.array_equal(held, ids) and np.array_equal(self.vectors(held), vectors)):
                return False
            at += len(ids)
        return at == len(self.ids) and (self.clusters is None or self.clusters.is_whole)

    def spill(self, folder: Path) -> None:
        """Writes rows that are in memory to the disk; they count when the store is saved.

        Raises:
            OSError: they could not be written.
        """
        folder.mkdir(exist_ok=True)
        self.rows.save(folder)
        self._forget()

    def save(self, folder: Path, *, generation: int, origin: str) -> None:
        """Makes a folder agree with the store; whoever reads it finds the old or the new one.

        Args:
            folder: where to; made if need be.
            generation: of the catalog that the store agrees with.
            origin: names the catalog and the encoder that its embeddings are from.

        Raises:
            OSError: it could not be written.
        """
        self.spill(folder)
        head = Head(
            dim=self.rows.dim,
            rows=self.rows.name,
            count=len(self.rows),
            removed=np.flatnonzero(~self._is_alive).astype(np.int32),
            clusters=self.clusters.name if self.clusters else None,
            plan=self.plan,
            wish=self.wish,
        )
        head.write(folder, generation=generation, origin=origin)
        kept = {HEAD_NAME, *_files(head)}
        for file in folder.iterdir():
            if file.name not in kept:
                with suppress(OSError):  # elsewhere than on POSIX while somebody maps it
                    file.unlink()

    @classmethod
    def load(cls, folder: Path, *, dim: int, origin: str) -> tuple[Store, int] | None:
        """Opens a saved store.

        Returns:
            The store and the catalog generation it was saved from, or None where there is none,
            or it is damaged or of another origin.
        """
        for _ in range(3):  # a writer may replace the files after their head was read
            found = Head.read(folder)
            if found is None:
                return None
            head, stamp = found
            if head.dim != dim or not stamp.is_of(origin):
                return None
            with suppress(OSError):
                return cls._opened(folder, head), stamp.generation
        return None

    @classmethod
    def _opened(cls, folder: Path, head: Head) -> Store:
        store = cls(head.dim)
        store.take_rows(Rows.open(folder, head.rows, head.count, head.dim))
        store._is_alive[head.removed] = False
        if head.clusters is not None:
            store.clusters = Clusters(folder, head.clusters)
        store.plan, store.wish = head.plan, head.wish
        store._forget()
        return store

    def _ordered(
        self,
        places: NDArray[np.int64],
        vectors: NDArray[np.float16],
        query: NDArray[np.float32],
        k: int,
    ) -> Found:
        """The k best of some rows."""
        scores = settled_products(vectors, query)
        order = np.lexsort((places, -scores))[:k]
        return scores[order], self._row_ids[places[order]]

    def _near(
        self, query: NDArray[np.float32], k: int, places: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """The places of the k best of some rows, and of those that are hardly worse."""
        first, last = int(places[0]), int(places[-1]) + 1
        if last - first <= 2 * len(places):  # all of them as they lie, some perhaps for nothing
            blocks = self.rows.blocks(first, last)
            products = np.concatenate([inner_products(block, query) for block in blocks])
            if len(products) > len(places):
                products = products[places - first]
        else:
            chunks = (places[at : at + _BLOCK] for at in range(0, len(places), _BLOCK))
            products = np.concatenate(
                [inner_products(self.rows.take(chunk), query) for chunk in chunks]
            )
        least = np.partition(products, -k)[-k]
        near: NDArray[np.int64] = places[products >= least - _TOLERANCE]
        return near

    def _in_clusters(self, query: NDArray[np.float32], k: int, scope: _Scope) -> NDArray[np.int64]:
        """The places of some rows that the k best are likely among."""
        assert self.clusters is not None
        assert self.plan is not None
        found = self.clusters.candidates(
            query,
            scanned=max(self.plan.scanned, _DEEPER * k),
            kept=max(self.plan.rescored, 2 * k),
            allowed=scope.allowed(self.clusters),
        )
        pending = scope.places[np.searchsorted(scope.places, self.clusters.rows) :]
        if len(pending) > k:
            pending = self._near(query, k, pending)
        return np.concatenate([found, pending])

    def _forget(self) -> None:
        """Forgets what was derived from rows that have changed."""
        self._row_ids = self.rows.ids
        self._is_whole = bool(self._is_alive.all())
        self._ids = None
        self._everything = _Everything(self._is_alive, self._is_whole)
        self._scopes: OrderedDict[int, tuple[NDArray[np.int64], _Scope]] = OrderedDict()
        self._scopes_turn = threading.Lock()

    def _among(self, ids: NDArray[np.int64]) -> _Scope:
        """The rows with these ids; remembered for the next search with the same array."""
        with self._scopes_turn:
            known = self._scopes.pop(id(ids), None)
            if known is None or known[0] is not ids:
                known = ids, _Scope(self._places(ids))
            self._scopes[id(ids)] = known
            if len(self._scopes) > _REMEMBERED:
                self._scopes.popitem(last=False)
        return known[1]

    def _places(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The places of those of some ids that are held, int64."""
        held = self._row_ids
        if not len(held) or not len(ids):
            return np.empty(0, np.int64)
        if held[-1] - held[0] == len(held) - 1:  # no gaps: the usual case
            places = ids - held[0]
            places = places[(places >= 0) & (places < len(held))]
        else:
            places = np.minimum(np.searchsorted(held, ids), len(held) - 1)
            places = places[held[places] == ids]
        alive: NDArray[np.int64] = places if self._is_whole else places[self._is_alive[places]]
        return alive


class _Scope:
    """The rows that a search is among, and what was found out about them.

    Attributes:
        count: how many.
        places: of the rows, int64, ascending.
    """

    def __init__(self, places: NDArray[np.int64]) -> None:
        self.count = len(places)
        self.places = places
        self._vectors: NDArray[np.float16] | None = None
        self._allowed: tuple[Clusters, Allowed] | None = None

    def vectors(self, rows: Rows) -> NDArray[np.float16]:
        """The rows themselves, kept: for few that are asked for again and again."""
        if self._vectors is None:
            self._vectors = rows.take(self.places)
        return self._vectors

    def allowed(self, clusters: Clusters) -> Allowed | None:
        """The same as clusters need it; None where nothing is left out."""
        if self._allowed is None or self._allowed[0] is not clusters:
            covered = self.places[: np.searchsorted(self.places, clusters.rows)]
            self._allowed = clusters, clusters.allow(covered)
        return self._allowed[1]


class _Everything(_Scope):
    """All rows that were not removed."""

    def __init__(self, is_alive: NDArray[np.bool_], is_whole: bool) -> None:
        super().__init__(np.flatnonzero(is_alive))
        self._is_whole = is_whole

    def allowed(self, clusters: Clusters) -> Allowed | None:
        return None if self._is_whole else super().allowed(clusters)


def _files(head: Head) -> tuple[str, ...]:
    """Names of the files that a head names."""
    rows = (f"{head.rows}.ids", f"{head.rows}.rows") if head.rows else ()
    return (*rows, *((f"{head.clusters}{SUFFIX}",) if head.clusters else ()))
