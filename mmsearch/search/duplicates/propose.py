"""Which pairs of files are worth comparing: those of one content, and photos that are alike.

Photos are alike by their embeddings and by where they are light and dark, both together: a crop
moves light and shade but not what a photo is of; a thumbnail of a few pixels confuses encoders but
not where it is light.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmsearch.search.duplicates.compare import COARSE
from mmsearch.search.duplicates.kin import Kin
from mmsearch.vectors.neighbours import nearest_neighbours

NEIGHBOURS = 12
"""With so many photos each one is compared; further copies are found as copies of copies."""

Pairs: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Numbers of files, int64, both of shape (n,)."""


def propose(
    kin: Kin,
    embeddings: NDArray[np.floating[Any]] | None = None,
    seen: Callable[[int], None] = lambda count: None,
    *,
    leave_out: NDArray[np.int64] | None = None,
) -> Pairs:
    """Pairs of files that may be the same, each once.

    Args:
        kin: the files.
        embeddings: of all files, shape (files, dim), rows of unit length; those of files that
            are no photos do not count. None to go by light and shade alone.
        seen: called with the number of photos that were looked at so far.
        leave_out: numbers of files that are paired by their content alone.
    """
    first = _first_of_content(kin.contents)
    pairs = np.stack([first, np.arange(len(first))], axis=1)
    photos = kin.photos[first[kin.photos] == kin.photos]
    if leave_out is not None:
        photos = np.setdiff1d(photos, leave_out, assume_unique=True)
    alike = _alike(kin, photos, embeddings, seen)
    pairs = np.sort(np.concatenate([pairs, *alike]), axis=1)
    pairs = np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0)
    return pairs[:, 0], pairs[:, 1]


def _alike(
    kin: Kin,
    photos: NDArray[np.int64],
    embeddings: NDArray[np.floating[Any]] | None,
    seen: Callable[[int], None],
) -> Iterator[NDArray[np.int64]]:
    """Pairs of some photos, int64, shape (n, 2); the same one at times."""
    coarse = kin.coarse()[np.searchsorted(kin.photos, photos)]
    vectors = coarse
    if embeddings is not None:
        vectors = np.hstack([coarse, embeddings[photos].astype(np.float32)])
    for rows, found in nearest_neighbours(vectors, NEIGHBOURS + 1):
        ones, others = np.repeat(rows, found.shape[1]), found.ravel()
        alike = np.einsum("nd,nd->n", coarse[ones], coarse[others]) >= COARSE
        yield np.stack([photos[ones[alike]], photos[others[alike]]], axis=1)
        seen(int(rows[-1]) + 1)


def _first_of_content(contents: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each file the first one of the same content, itself where that is not known."""
    _, first, content = np.unique(contents, return_index=True, return_inverse=True)
    return np.where(contents < 0, np.arange(len(contents)), first[content])
