"""Decides how a store is arranged, and arranges it.

A small store is exact. A large one gets clusters over all of its rows; those that come later are
searched exactly until there are so many that they are worth putting into the clusters too, and
when the store has grown to twice what the clusters were trained on, they are trained anew. Rows
that were removed are left out when they have become many.

`arrange` works on a store of its own and writes new files beside the old ones, so everybody goes on
searching meanwhile; the new ones come into force with the head that names them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import SettingsError
from mmsearch.vectors.base import Wish
from mmsearch.vectors.clusters import Quantiser
from mmsearch.vectors.store import Store
from mmsearch.vectors.train import (
    Progress,
    cluster_count,
    sample_of,
    sample_size,
    train_clusters,
    train_quantiser,
    write_clusters,
)
from mmsearch.vectors.tune import Trial, find_plan, make_trials, recall_of_codes

EXACT = 50_000 * 512
"""So many numbers (vectors times their length) are searched exactly in about 10 ms."""

_PENDING = 20_000 * 512  # numbers in rows that clusters lack: 4 ms of each search
_REMOVED = 0.25  # share of the rows
_GROWTH = 2  # times what was trained on
_SHARES = (8, 4, 2, 1)  # one in so many dimensions is kept, in order of memory
_CODES_RECALL = 0.99  # of codes alone; below, not even a search of all of them would do
_OVERHEAD = 17  # bytes a vector beside its code: id, place, its reverse, whether it is alive


def wants_clusters(store: Store, wish: Wish) -> bool:
    """Whether a store is too large for exact search, and the wish allows another."""
    return len(store.ids) * store.rows.dim > EXACT and wish.recall < 1


def is_due(store: Store, wish: Wish) -> bool:
    """Whether a store, as it is saved, is better arranged anew."""
    if wants_clusters(store, wish) != (store.clusters is not None):
        return True
    if len(store.ids) < (1 - _REMOVED) * len(store.rows):
        return True
    if store.clusters is None or store.plan is None:
        return False
    return store.pending * store.rows.dim > _PENDING or store.plan.wish != wish


def arrange(
    store: Store,
    folder: Path,
    wish: Wish,
    texts: NDArray[np.float16] | None,
    progress: Progress,
    *,
    anew: bool = False,
) -> Store:
    """Arranges a saved store; the folder's head still names the old files.

    Args:
        store: all of it saved; nobody else uses this object.
        folder: that it is saved in.
        wish: what it is arranged for.
        texts: embeddings of texts in general, float16, shape (n, dim), for queries that it is
            tuned with; None for none.
        progress: called with the rows that are done and all of them, more than once.
        anew: trains even where clusters are at hand.

    Raises:
        SettingsError: the wished memory is too little for any search but an exact one.
        OSError: a file could not be written.
    """
    before, plan = store.clusters, store.plan
    made = Store(store.rows.dim)
    made.wish = wish
    whole = bool(store.is_alive.all())
    made.take_rows(store.rows if whole else store.rows.without(folder, store.is_alive))
    if not wants_clusters(made, wish):
        return made
    trials = make_trials(made.rows, made.is_alive, texts)
    keep = (
        not anew
        and before is not None
        and plan is not None
        and plan.wish == wish
        and len(made.rows) <= _GROWTH * before.trained
        and _fits(made, len(before.quantiser.low), wish)
    )
    if keep:
        assert before is not None
        made.clusters = write_clusters(
            made.rows, before.quantiser, before.centroids, before.trained, folder, progress
        )
        made.plan = find_plan(made.clusters, made.rows, made.is_alive, trials, wish)
        return made
    sample = sample_of(made.rows, made.is_alive, sample_size(len(made.rows)))
    for quantiser in _quantisers(made, sample, trials, wish):
        made.clusters = train_clusters(
            made.rows, made.is_alive, quantiser, sample, folder, progress
        )
        made.plan = find_plan(made.clusters, made.rows, made.is_alive, trials, wish)
        if made.plan.recall >= wish.recall:
            break
    return made


def _quantisers(
    store: Store, sample: NDArray[np.float32], trials: list[Trial], wish: Wish
) -> list[Quantiser]:
    """Those that are worth trying, of as few dimensions as may do first."""
    dim = store.rows.dim
    kept = sorted({max(1, dim // share) for share in _SHARES})
    if wish.memory is not None:
        least = _memory(len(store.rows), dim, kept[0])
        kept = [dims for dims in kept if _fits(store, dims, wish)]
        if not kept:
            raise SettingsError(
                f"Searching {len(store.rows)} vectors takes {-(-least // 1000)} kB of memory at "
                "least: ask for as much, or for a recall of 1, which needs none of its own."
            )
    whole = train_quantiser(sample, dim)
    part = sample[:: -(-len(sample) // 20_000)]
    quantisers = [
        replace(whole, basis=whole.basis[:n].copy(), low=whole.low[:n], step=whole.step[:n])
        for n in kept
    ]
    *fewer, most = quantisers
    enough = min(_CODES_RECALL, (1 + wish.recall) / 2)
    return [*(one for one in fewer if recall_of_codes(one, part, trials) >= enough), most]


def _fits(store: Store, kept: int, wish: Wish) -> bool:
    """Whether clusters with codes of so many bytes take no more memory than was wished for."""
    return wish.memory is None or _memory(len(store.rows), store.rows.dim, kept) <= wish.memory


def _memory(rows: int, dim: int, kept: int) -> int:
    """Bytes that searching clusters keeps in memory, with codes of so many bytes."""
    count = cluster_count(rows)
    trained = 4 * (kept * dim + dim + 2 * kept + count * kept) + 8 * (count + 1)
    return trained + rows * (kept + _OVERHEAD)
