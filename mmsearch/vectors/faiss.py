"""The vector store on FAISS: exact search over float16 vectors.

The file is FAISS's own format (``faiss.read_index`` opens it) followed by a short stamp that says
which catalog, encoder and generation it belongs to. A file without a whole stamp was cut
short and counts as absent.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from mmsearch.vectors import stamp as stamps


class FaissStore:
    """A `VectorStore` over a flat FAISS index.

    Vectors are kept as float16, just as the catalog stores them, so nothing is lost against
    float32 at half the memory; inner products are computed in float32.
    """

    def __init__(self, dim: int) -> None:
        """Makes an empty store for vectors of length ``dim``."""
        flat = faiss.IndexScalarQuantizer(
            dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
        self._index: Any = faiss.IndexIDMap2(flat)
        self._ids = np.empty(0, dtype=np.int64)

    @property
    def ids(self) -> NDArray[np.int64]:
        """The ids held, int64, ascending, shape (n,)."""
        return self._ids

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.floating[Any]]) -> None:
        """Adds embeddings; see `VectorStore.add`."""
        self._index.add_with_ids(np.ascontiguousarray(vectors, dtype=np.float32), ids)
        self._ids = np.concatenate([self._ids, ids])

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Removes embeddings; see `VectorStore.remove`."""
        self._index.remove_ids(faiss.IDSelectorBatch(ids))
        self._ids = np.setdiff1d(self._ids, ids, assume_unique=True)

    def search(
        self, query: NDArray[np.float32], k: int, *, among: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The best k by inner product; see `VectorStore.search`."""
        k = min(k, len(self._ids) if among is None else len(among))
        if k == 0:
            return np.empty(0, dtype=np.float32), np.empty(0, dtype=np.int64)
        parameters = None
        if among is not None:
            # A bit for each vector: several times faster than a set of ids.
            bits = np.packbits(self._is_among(among), bitorder="little")
            parameters = faiss.SearchParameters()
            parameters.sel = faiss.IDSelectorBitmap(bits)  # type: ignore[call-arg, arg-type]
        # The flat index numbers vectors by their places, which the bits are for.
        scores, places = self._index.index.search(query[np.newaxis], k, params=parameters)
        found = places[0] >= 0
        scores, ids = scores[0][found], self._ids[places[0][found]]
        order = np.lexsort((ids, -scores))
        return scores[order], ids[order]

    def _is_among(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which vectors have one of these ids, bool, shape (vectors,)."""
        is_among = np.zeros(len(self._ids), dtype=bool)
        if not len(ids):
            return is_among
        if self._ids[-1] - self._ids[0] == len(self._ids) - 1:  # no gaps: the usual case
            held = ids[(ids >= self._ids[0]) & (ids <= self._ids[-1])]
            is_among[held - self._ids[0]] = True
        else:
            places = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
            is_among[places[self._ids[places] == ids]] = True
        return is_among

    def save(self, path: Path, *, generation: int, origin: str) -> None:
        """Replaces the file at ``path`` atomically; see `VectorStore.save`."""
        payload = faiss.serialize_index(self._index)
        stamp = stamps.pack(origin, generation, len(payload))
        unfinished = path.with_name(path.name + ".new")
        try:
            with unfinished.open("wb") as file:
                file.write(payload.data)
                file.write(stamp)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:  # on a full disk the unfinished file would keep it full
            unfinished.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path, *, dim: int, origin: str) -> tuple[FaissStore, int] | None:
        """Opens a saved store.

        Returns:
            The store and the catalog generation it was saved from, or None where the file is
            absent, damaged, or of another origin.
        """
        try:
            data = np.fromfile(path, dtype=np.uint8)
        except OSError:
            return None
        payload, end = data[: -stamps.SIZE], data[-stamps.SIZE :]
        saved = stamps.unpack(end.tobytes(), len(payload))
        if saved is None or not saved.is_of(origin):
            return None
        try:
            index: Any = faiss.deserialize_index(payload)
        except RuntimeError:
            return None
        if index.d != dim:
            return None
        store = cls.__new__(cls)
        store._index = index
        store._ids = faiss.vector_to_array(index.id_map)
        return store, saved.generation
