"""Groups of files that are the same, each around its best file.

A chain of small differences leads from any photo to quite another one. So a group is a star: each
file in it is the same as the best one, whichever files led there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    codes = compare(ones, others)
    counts = (codes > 0) & (codes <= limit)
    known: dict[int, dict[int, int]] = {}
    for one, other, code in zip(
        ones[counts].tolist(), others[counts].tolist(), codes[counts].tolist(), strict=True
    ):
        known.setdefault(one, {})[other] = code
        known.setdefault(other, {})[one] = code

    place = {file: at for at, file in enumerate(ranked)}
    found = []
    taken: set[int] = set()
    for best in ranked:
        if best in taken or best not in known:
            continue
        star = _star(best, known, taken, compare, limit)
        if len(star) > 1:
            taken.update(star)
            found.append({file: star[file] for file in sorted(star, key=place.__getitem__)})
    return found


def _star(
    best: int, known: dict[int, dict[int, int]], taken: set[int], compare: Compare, limit: int
) -> Star:
    """What is the same as the best one, found from neighbour to neighbour."""
    edge = {other: code for other, code in known[best].items() if other not in taken}
    star = {best: 0, **edge}
    seen = set(star)
    while edge:
        further = {other for one in edge for other in known[one]} - seen - taken
        seen |= further
        ends = np.array(sorted(further), dtype=np.int64)
        codes = compare(np.full(len(ends), best), ends)
        edge = {
            end: code
            for end, code in zip(ends.tolist(), codes.tolist(), strict=True)
            if 0 < code <= limit
        }
        star |= edge
    return star
