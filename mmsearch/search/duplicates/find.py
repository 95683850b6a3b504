"""Finds the groups of files that are the same: proposes pairs, compares them, and looks again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.search.duplicates.groups import Star, stars
from mmsearch.search.duplicates.kin import Kin
from mmsearch.search.duplicates.propose import NEIGHBOURS, propose


def find_groups(
    kin: Kin,
    ranked: Sequence[int],
    embeddings: NDArray[np.floating[Any]] | None = None,
    *,
    limit: int,
    seen: Callable[[int], None] = lambda count: None,
) -> list[Star]:
    """Groups of files that are the same, as `stars` gives them.

    Args:
        kin: the files.
        ranked: the numbers of all files, best first.
        embeddings: as of `propose`.
        limit: the highest code that counts as the same.
        seen: as of `propose`.
    """
    pairs = propose(kin, embeddings, seen)
    found = stars(ranked, *pairs, kin.compare, limit=limit)
    # Where there are more copies than neighbours, each one's neighbours may all be of one kind:
    # thumbnails of thumbnails. So the best of each crowd looks for more without its crowd.
    crowded: list[int] = []
    while len(crowd := _crowded(found)) > len(crowded):
        crowded = crowd
        further = propose(kin, embeddings, leave_out=np.array(crowded, dtype=np.int64))
        pairs = np.concatenate([pairs[0], further[0]]), np.concatenate([pairs[1], further[1]])
        found = stars(ranked, *pairs, kin.compare, limit=limit)
    return found


def _crowded(found: Sequence[Star]) -> list[int]:
    """The copies in groups that take up all neighbours of a photo; not the best ones."""
    return [file for star in found if len(star) > NEIGHBOURS for file, code in star.items() if code]
