"""Groups of files that are the same, each around its best file.

A chain of small differences leads from any photo to quite another one. So a group is a star: each
file in it is the same as the best one, whichever files led there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmsearch.catalog.looks import Looks
from mmsearch.search.duplicates.kin import Codes

Compare: TypeAlias = Callable[[NDArray[np.int64], NDArray[np.int64]], Codes]
"""As `mmsearch.search.duplicates.kin.Kin.compare`."""

Star: TypeAlias = dict[int, int]
"""The numbers of files in a group, the best first, and how each is the same as the best one, as
`Codes` have it; the best has 0."""

_AT_ONCE = 512  # pairs; those of files that turn out to be copies need not be compared


def quality(looks: Looks) -> tuple[int, int]:
    """Lower for better files: more pixels, and of the same size, older."""
    return -(looks.width or 0) * (looks.height or 0), looks.mtime_ns


def stars(
    ranked: Sequence[int],
    ones: NDArray[np.int64],
    others: NDArray[np.int64],
    compare: Compare,
    *,
    limit: int,
) -> list[Star]:
    """Groups files around the best ones.

    Args:
        ranked: the numbers of all files, best first.
        ones: pairs of files that may be the same, int64, shape (n,).
        others: the other ones of the pairs.
        compare: tells how closely they are.
        limit: the highest code that counts as the same.

    Returns:
        groups of at least two, in the order of their best files. The best comes first, and each
        file is in one group at most.
    """
    proposed: dict[int, set[int]] = {}
    for one, other in zip(ones.tolist(), others.tolist(), strict=True):
        proposed.setdefault(one, set()).add(other)
        proposed.setdefault(other, set()).add(one)

    place = {file: at for at, file in enumerate(ranked)}
    found = []
    settled: set[int] = set()
    waiting = deque(file for file in ranked if file in proposed)
    while waiting:
        block: dict[int, list[int]] = {}
        count = 0
        while waiting and count < _AT_ONCE:
            best = waiting.popleft()
            if best not in settled:
                later = (end for end in proposed[best] - settled if place[end] > place[best])
                block[best] = list(later)
                count += len(block[best])
        for best, near in zip(block, _same(block, compare, limit), strict=True):
            if best in settled:
                continue
            settled.add(best)
            edge = {end: code for end, code in near.items() if end not in settled}
            star = _star(best, edge, proposed, settled, compare, limit)
            if len(star) > 1:
                settled.update(star)
                found.append({file: star[file] for file in sorted(star, key=place.__getitem__)})
    return found


def _star(
    best: int,
    edge: Star,
    proposed: dict[int, set[int]],
    settled: set[int],
    compare: Compare,
    limit: int,
) -> Star:
    """What is the same as the best one, found from neighbour to neighbour."""
    star = {best: 0, **edge}
    seen = proposed.get(best, set()) | {best}
    while edge:
        further = {other for one in edge for other in proposed[one]} - seen - settled
        seen |= further
        (edge,) = _same({best: sorted(further)}, compare, limit)
        star |= edge
    return star


def _same(pairs: Mapping[int, Sequence[int]], compare: Compare, limit: int) -> list[Star]:
    """Which of the files that each file is paired with are the same as it, and how."""
    counts = [len(ends) for ends in pairs.values()]
    others = np.array([end for ends in pairs.values() for end in ends], dtype=np.int64)
    codes = compare(np.repeat(np.array(list(pairs), dtype=np.int64), counts), others)
    told = zip(others.tolist(), codes.tolist(), strict=True)
    return [
        {end: code for end, code in islice(told, count) if 0 < code <= limit} for count in counts
    ]
