"""Hits at their places: made of items, and numbered again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mmsearch.catalog.records import ItemRecord
from mmsearch.items import Hit


def hit_at(
    rank: int,
    item: ItemRecord,
    *,
    score: float,
    relevance: float | None,
    similarity: float | None,
    answered: float | None = None,
) -> Hit:
    """An item as the hit at a place; the rest is as `mmsearch.items.Hit` has it."""
    return Hit(
        rank=rank,
        score=score,
        relevance=relevance,
        path=item.path,
        modality=item.modality,
        item=item.id,
        asset=item.asset_id,
        text=item.text,
        start=item.start,
        end=item.end,
        info=item.info,
        similarity=similarity,
        answered=answered,
    )


def ranked(hits: Iterable[Hit]) -> list[Hit]:
    """Hits with their places as ranks, from 1.

    A hit that has its rank stays the same object: copying hundreds would be a third of a query's
    work in Python.
    """
    return [
        hit if hit.rank == rank else replace(hit, rank=rank) for rank, hit in enumerate(hits, 1)
    ]
