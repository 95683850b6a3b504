"""First stage: the best items become hits, one for each asset or one for each item."""

from __future__ import annotations

from dataclasses import replace
from math import isnan

from mmsearch.catalog.reader import CatalogReader
from mmsearch.errors import QueryError
from mmsearch.index import Snapshot
from mmsearch.items import Hit
from mmsearch.search.language.tree import Question
from mmsearch.search.newest import Newest
from mmsearch.search.rank import Candidates, Ranker
from mmsearch.search.ranked import hit_at, ranked
from mmsearch.search.sought import Sought

OTHERS = 10
"""How many further items of its asset a hit lists at most."""


def retrieve(
    snapshot: Snapshot,
    question: Question,
    sought: Sought,
    k: int,
    *,
    grouped: bool = True,
    spare: int = 0,
) -> list[Hit]:
    """The best k hits among the items that pass the query's filters.

    Args:
        snapshot: the index, held still.
        question: its words and filters count.
        sought: the same, embedded; where that is nothing, the newest are the best.
        k: at most so many hits.
        grouped: a hit for each asset, its best item first and its other candidates listed; else
            a hit for each item.
        spare: as many hits more where they are at hand; better ones may have been passed over.

    Raises:
        QueryError: k is not positive, or no indexed folder matches.
    """
    if k < 1:
        raise QueryError(f"The number of hits must be at least 1, not {k}.")
    ranker: Ranker | Newest
    if not (sought.wanted or sought.unwanted):
        ranker = Newest.of(snapshot.columns, question)
    else:
        ranker = Ranker.of(snapshot, question, sought)
    depth = k + spare
    while True:
        candidates = ranker.best(depth)
        hits = _hits(snapshot.reader, candidates)
        if grouped:
            hits = _by_asset(hits, listed=max(k, OTHERS + 1))
        # Deeper only where items of the same few assets fill the top.
        if depth >= ranker.items or (len(hits) >= k and hits[k - 1].score >= candidates.unseen):
            return ranked(hits[: k + spare])
        depth *= 4


def _hits(reader: CatalogReader, candidates: Candidates) -> list[Hit]:
    items = reader.items(candidates.ids.tolist())
    rows = zip(
        candidates.ids.tolist(),
        candidates.scores.tolist(),
        candidates.similarities.tolist(),
        candidates.relevance.tolist(),
        candidates.answered.tolist(),
        strict=True,
    )
    return [
        hit_at(
            rank,
            items[item_id],
            score=score,
            relevance=relevance,
            similarity=None if isnan(similarity) else similarity,
            answered=None if isnan(answered) else answered,
        )
        for rank, (item_id, score, similarity, relevance, answered) in enumerate(rows, 1)
    ]


def _by_asset(hits: list[Hit], *, listed: int) -> list[Hit]:
    """The best hit of each asset, with the others under it.

    Only others among the first ``listed`` of all hits say something about the query; a recording
    has hundreds of sentences.
    """
    assets: dict[int, list[Hit]] = {}
    for hit in hits:
        assets.setdefault(hit.asset, []).append(hit)
    return [
        replace(
            best,
            others=tuple(
                replace(other, rank=rank)
                for rank, other in enumerate(others[:OTHERS], 2)
                if other.rank <= listed
            ),
        )
        if others
        else best
        for best, *others in assets.values()
    ]
