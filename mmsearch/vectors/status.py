"""What a store says of itself."""

from __future__ import annotations

from mmsearch.items import VectorStoreStatus
from mmsearch.vectors.store import Store


def status_of(store: Store, *, bytes: int) -> VectorStoreStatus:
    """How a store is arranged; ``bytes`` is the size of its files."""
    clusters, plan = store.clusters, store.plan
    if clusters is None or plan is None:
        held = len(store.rows)
        return VectorStoreStatus(
            kind="exact",
            vectors=len(store.ids),
            memory=held * (2 * store.rows.dim + 8),
            bytes=bytes,
            recall=1.0,
            target=store.wish.recall,
            memory_limit=store.wish.memory,
        )
    return VectorStoreStatus(
        kind="ivf",
        vectors=len(store.ids),
        memory=clusters.memory + len(store.rows) * 9 + store.pending * 2 * store.rows.dim,
        bytes=bytes,
        recall=plan.recall,
        target=plan.wish.recall,
        memory_limit=plan.wish.memory,
        clusters=len(clusters.centroids),
        code_bytes=len(clusters.quantiser.low),
        scanned=plan.scanned,
        rescored=plan.rescored,
        pending=store.pending,
    )
