"""What passes filters where nothing in particular is asked for: the newest first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmsearch.catalog.columns import Columns
from mmsearch.search.filters import passing_items
from mmsearch.search.language.tree import Question
from mmsearch.search.rank import Candidates


@dataclass(frozen=True, slots=True)
class Newest:
    """Lists items by when their files were taken, then by when they were indexed.

    Attributes:
        ids: ids of the items that pass, int64, newest first; those of files that do not say when
            they were taken last.
    """

    ids: NDArray[np.int64]

    @classmethod
    def of(cls, columns: Columns, question: Question) -> Newest:
        """Looks up the question's filters.

        Raises:
            QueryError: no indexed folder matches.
        """
        passing = passing_items(columns, question)
        at = np.flatnonzero(np.ones(len(columns.items), bool) if passing is None else passing)
        taken = columns.captured_at[at]
        age = -np.where(np.isnat(taken), np.iinfo(np.int64).min + 1, taken.astype(np.int64))
        order = np.lexsort((columns.items[at], -columns.asset_of_item[at], age))
        return cls(columns.items[at][order])

    @property
    def items(self) -> int:
        """How many items pass the filters."""
        return len(self.ids)

    def best(self, depth: int) -> Candidates:
        """The first ``depth``: each answers for certain, and none more than another."""
        ids = self.ids[:depth]
        return Candidates(
            ids=ids,
            similarities=np.full(len(ids), np.nan, np.float32),
            scores=np.zeros(len(ids)),
            relevance=np.ones(len(ids)),
            answered=np.ones(len(ids)),
            unseen=0.0 if len(ids) < len(self.ids) else -np.inf,
        )
