"""Looks after an index: `status`, `optimize`, `verify`, `repair`."""

from __future__ import annotations

from collections.abc import Callable

from mmsearch.items import Status, VectorStoreStatus
from mmsearch.library.opened import OpenedIndex
from mmsearch.vectors.base import DEFAULT_RECALL, Wish


class Upkeep(OpenedIndex):
    """What tells how an index is, and puts it right."""

    def status(self) -> Status:
        """What the index holds."""
        vectors = self._directory.vectors_status()
        with self._directory.reading() as reader:
            return Status(
                assets=reader.count_assets(),
                items=reader.count_items(),
                failed=tuple(reader.failures()),
                encoder=reader.encoder().id,
                bytes=self._directory.bytes(),
                sources=tuple(reader.sources().values()),
                vectors=vectors,
            )

    def optimize(
        self,
        *,
        recall: float = DEFAULT_RECALL,
        memory: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> VectorStoreStatus:
        """Arranges the vectors of a large index for fast search, as is wished from now on.

        An index does so by itself when it has grown; this says for what. Searches go on
        meanwhile. A small index compares all vectors, and needs no arranging.

        Args:
            recall: share of the ten nearest that searches are to find, on average; 1 compares
                all vectors however many there are.
            memory: bytes that searches may keep in memory; None for what the recall takes.
            progress: called with the vectors done and all of them, from the beginning again
                where a second attempt is needed.

        Returns:
            What came out of it; ``recall`` tells what was reached.

        Raises:
            SettingsError: the recall or the memory is out of range, or too little for all vectors.
            IndexLockedError: another process is writing to the index.
            StorageError: nothing can be written.
        """
        self._directory.optimize(Wish.checked(recall, memory), progress)
        found = self._directory.vectors_status()
        assert found is not None  # they were saved just now
        return found

    def verify(self) -> list[str]:
        """Looks for damage in the index; empty when all is well."""
        return self._directory.verify()

    def repair(self) -> None:
        """Rebuilds the vector store from the catalog."""
        self._directory.repair()
