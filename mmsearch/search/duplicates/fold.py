"""Folds hits that show the same into one, with its copies under it.

Among the hits of one query there are few pairs to compare, and what they look like is in the
catalog: no file is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from mmsearch.catalog.looks import looks_of
from mmsearch.catalog.reader import CatalogReader
from mmsearch.items import Hit, Match
from mmsearch.search.duplicates.find import find_groups
from mmsearch.search.duplicates.groups import quality
from mmsearch.search.duplicates.kin import Kin, code_of
from mmsearch.search.ranked import ranked

BELOW = 40
"""So many hits below the last one that is wanted are looked through for copies, where at hand."""


class Retrieve(Protocol):
    """Gives the best hits of one query."""

    def __call__(self, k: int, *, spare: int) -> list[Hit]:
        """The best k, and as many as ``spare`` more."""


@dataclass(frozen=True, slots=True)
class Copies:
    """Which assets show the same.

    Attributes:
        best_of: the best asset of its group, by the ids of assets that there are several of.
    """

    best_of: dict[int, int]

    @classmethod
    def among(cls, reader: CatalogReader, hits: Sequence[Hit]) -> Copies:
        """Looks for copies among the assets of hits."""
        looks = looks_of(reader, {hit.asset for hit in hits})
        assets = sorted(looks)
        kin = Kin([looks[asset] for asset in assets])
        ranked = sorted(range(len(assets)), key=lambda at: (quality(looks[assets[at]]), at))
        groups = find_groups(kin, ranked, limit=code_of(Match.BURST))
        return cls({assets[at]: assets[next(iter(star))] for star in groups for at in star})

    def fold(self, hits: Sequence[Hit], *, grouped: bool) -> list[Hit]:
        """One hit for those that show the same, at the place of the first of them.

        It is the best of the copies where that one answers in the same way: from photos that were
        found by what they show, the largest. What hits are ordered by it takes over from the
        first of them.

        Args:
            hits: best first.
            grouped: hits are files; else they are items, and those that only one of the copies
                has, captions for instance, stay.

        Returns:
            the hits that are left, best first, with new ranks.
        """
        groups: dict[object, list[Hit]] = {}
        for hit in hits:
            best = self.best_of.get(hit.asset)
            if best is None:
                groups[hit.item] = [hit]
            else:
                key = (best,) if grouped else (best, *_what(hit))
                groups.setdefault(key, []).append(hit)
        return ranked(map(self._folded, groups.values()))

    def _folded(self, group: Sequence[Hit]) -> Hit:
        first = group[0]
        if len(group) == 1:
            return first
        same = (hit for hit in group if _what(hit) == _what(first))
        shown = next((hit for hit in same if hit.asset == self.best_of[hit.asset]), first)
        return replace(
            shown,
            score=first.score,
            relevance=first.relevance,
            answered=first.answered,
            reranked=first.reranked,
            copies=tuple(hit for hit in group if hit is not shown),
        )


def retrieve_distinct(
    reader: CatalogReader, retrieve: Retrieve, count: int, *, grouped: bool
) -> tuple[list[Hit], Copies]:
    """Retrieves until there are enough hits that are no copies of each other.

    Args:
        reader: of the snapshot that is searched.
        retrieve: as `mmsearch.search.retrieve.retrieve`.
        count: how many different hits there should be.
        grouped: as of `Copies.fold`.

    Returns:
        the hits, best first, and which of them are copies.
    """
    depth = count
    while True:
        hits = retrieve(depth, spare=BELOW)
        copies = Copies.among(reader, hits)
        if len(hits) < depth or len(copies.fold(hits[:depth], grouped=grouped)) >= count:
            return hits, copies
        depth *= 4


def _what(hit: Hit) -> tuple[object, ...]:
    """What a hit says, whichever of the copies says it."""
    return hit.modality, hit.text, hit.start, hit.end
