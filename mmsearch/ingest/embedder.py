"""Entries wait here for their embeddings: a batch is embedded while the one before is stored."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

from mmsearch.catalog.records import NewItem
from mmsearch.encoders.base import DualEncoder
from mmsearch.ingest.drafts import TEXT_BATCH, embed
from mmsearch.ingest.ledger import Entry, Ledger


@dataclass(frozen=True, slots=True)
class _Batch:
    """Entries whose items are being made."""

    entries: list[Entry]
    items: Future[list[NewItem]]


class Embedder:
    """Gives entries their items and puts them into the ledger, in the order they came.

    The encoder runs in one thread of its own. Leaving the ``with`` block puts what still waits,
    unless it is left by an error.
    """

    def __init__(self, ledger: Ledger, encoder: DualEncoder) -> None:
        self._ledger = ledger
        self._encoder = encoder
        self._waiting: list[Entry] = []
        self._pictures = self._texts = 0
        self._under_way: _Batch | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mmsearch-embed")

    def add(self, entry: Entry) -> None:
        """Takes an entry; it is in the ledger some entries later."""
        self._waiting.append(entry)
        pictures = sum(draft.pixels is not None for draft in entry.drafts)
        self._pictures += pictures
        self._texts += len(entry.drafts) - pictures
        is_full = self._pictures >= self._encoder.batch_size or self._texts >= TEXT_BATCH
        if is_full or len(self._waiting) >= TEXT_BATCH:
            self._begin()

    def _begin(self) -> None:
        """Begins to embed what waits, and puts what was embedded meanwhile."""
        drafts = [draft for entry in self._waiting for draft in entry.drafts]
        before = self._under_way
        self._under_way = _Batch(self._waiting, self._thread.submit(embed, self._encoder, drafts))
        self._waiting = []
        self._pictures = self._texts = 0
        self._put(before)

    def _put(self, batch: _Batch | None) -> None:
        if batch is None:
            return
        items = iter(batch.items.result())
        for entry in batch.entries:
            self._ledger.put(entry, [next(items) for _ in entry.drafts])
        self._ledger.commit_when_due()

    def __enter__(self) -> Embedder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._begin()
                self._put(self._under_way)
        finally:
            self._thread.shutdown(cancel_futures=True)
