"""Nearest neighbours and words in one ranking of items.

What an item scores is how far its similarity stands out in its medium (`normalise`) and what it
gains by the words it holds (`lookup`). Where only one medium is searched and no words are found,
the scores are the inner products themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmsearch.catalog.columns import Columns
from mmsearch.index import Snapshot
from mmsearch.search.calibrate.judge import Judge
from mmsearch.search.calibrate.words import either, of_words
from mmsearch.search.exclude import WEIGHT as EXCLUSION_WEIGHT
from mmsearch.search.exclude import Exclusion
from mmsearch.search.filters import passing_items
from mmsearch.search.language.conditions import Mask
from mmsearch.search.language.tree import Question
from mmsearch.search.lookup import Gains, gains
from mmsearch.search.normalise import LAST, SAMPLE, Background, Medium, Scale, scale_of
from mmsearch.search.population import population
from mmsearch.search.sought import Sought
from mmsearch.vectors.base import VectorStore


@dataclass(frozen=True, slots=True)
class Candidates:
    """Items that may be hits, best first.

    Attributes:
        ids: item ids, int64, shape (n,).
        similarities: inner products with the query, float32, shape (n,).
        scores: float64, shape (n,), descending, equal ones by ascending id.
        relevance: probability that each answers the query, float64, shape (n,).
        answered: probability that anything of its medium does, float64, shape (n,); NaN where
            that is not known.
        unseen: what an item that is no candidate scores at most by its similarity.
    """

    ids: NDArray[np.int64]
    similarities: NDArray[np.float32]
    scores: NDArray[np.float64]
    relevance: NDArray[np.float64]
    answered: NDArray[np.float64]
    unseen: float

    @classmethod
    def best_of(cls, parts: list[Candidates]) -> Candidates:
        """Several media's candidates in one ranking."""
        if not parts:
            ids, similarities, nothing = np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0)
            return cls(ids, similarities, nothing, nothing, nothing, -np.inf)
        ids = np.concatenate([part.ids for part in parts])
        scores = np.concatenate([part.scores for part in parts])
        similarities = np.concatenate([part.similarities for part in parts])
        relevance = np.concatenate([part.relevance for part in parts])
        answered = np.concatenate([part.answered for part in parts])
        order = np.lexsort((ids, -scores))
        return cls(
            ids[order],
            similarities[order],
            scores[order],
            relevance[order],
            answered[order],
            unseen=max(part.unseen for part in parts),
        )


@dataclass(frozen=True, slots=True)
class Ranker:
    """Ranks the items of one snapshot for one query.

    Attributes:
        vectors: the vector store.
        vector: where to search, rounded to float16 as the stored embeddings are.
        sought: what is sought.
        judge: says how likely candidates answer.
        everything: all item ids by medium.
        passing: those that pass the filters; media without any are left out.
        gains: what the query's words are worth to these; media where they are not found are left
            out.
        exclusions: what must not be there.
    """

    vectors: VectorStore
    vector: NDArray[np.float32]
    sought: Sought
    judge: Judge
    everything: Mapping[Medium, NDArray[np.int64]]
    passing: Mapping[Medium, NDArray[np.int64]]
    gains: Mapping[Medium, Gains]
    exclusions: tuple[Exclusion, ...]

    @classmethod
    def of(cls, snapshot: Snapshot, question: Question, sought: Sought) -> Ranker:
        """Looks up the query's words and filters.

        Args:
            snapshot: the index, held still.
            question: its words and filters count.
            sought: the same, embedded; at least one direction.

        Raises:
            QueryError: no indexed folder matches.
        """
        columns = snapshot.columns
        allowed = passing_items(columns, question)
        everything = population(snapshot)
        passing = everything if allowed is None else _by_medium(columns, allowed)
        texts = len(everything.get(Medium.TEXT, ()))
        found = gains(columns, question.words, texts=texts).without(sought.itself)
        return cls(
            vectors=snapshot.vectors,
            vector=_stored(sought.pull),
            sought=sought,
            judge=Judge.of(snapshot),
            everything=everything,
            passing=passing,
            gains={
                medium: some
                for medium, ids in passing.items()
                if len((some := found.among(ids)).ids)
            },
            exclusions=tuple(Exclusion.of(one, columns, texts=texts) for one in sought.unwanted),
        )

    @property
    def items(self) -> int:
        """How many items pass the filters."""
        return sum(len(ids) for ids in self.passing.values())

    def best(self, depth: int) -> Candidates:
        """The ``depth`` best of each medium by similarity, and as many by words, at least."""
        depth = max(depth, LAST)
        found = [self._best_of(medium, depth) for medium in self.passing]
        if self.exclusions:
            found = [
                self._without(part, medium)
                for part, medium in zip(found, self.passing, strict=True)
            ]
        return Candidates.best_of(found)

    def _without(self, found: Candidates, medium: Medium) -> Candidates:
        """Candidates of a medium, those that speak of what is excluded further down."""
        log_absent = np.zeros(len(found.ids))
        for one in self.exclusions:
            vector = _stored(one.direction.vector)
            apart = self._apart(vector, one.direction.medium, found.ids, medium)
            log_absent += one.direction.weight * one.log_absent(found.ids, apart)
        return replace(
            found,
            scores=found.scores + EXCLUSION_WEIGHT * log_absent,
            relevance=found.relevance * np.exp(log_absent),
        )

    def _apart(
        self, vector: NDArray[np.float32], asked: Medium, ids: NDArray[np.int64], medium: Medium
    ) -> NDArray[np.float64]:
        """How far items' similarities to a vector are above their medium's mean, in deviations."""
        known = self.judge.expected(vector, asked, medium, self.everything[medium])
        scale = scale_of(self._sample(vector, medium), np.empty(0, np.float32), known)
        return (self._similarities(vector, ids).astype(np.float64) - scale.mean) / scale.deviation

    def _similarities(
        self, vector: NDArray[np.float32], ids: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Similarities of items to a vector, in the order of the ids."""
        similarities, found = self.vectors.search(vector, len(ids), among=np.sort(ids))
        values = np.empty(len(ids), np.float32)
        values[np.argsort(ids)] = similarities[np.argsort(found)]
        return values

    def _best_of(self, medium: Medium, depth: int) -> Candidates:
        ids = self.passing[medium]
        nearest = self._search(ids, depth)
        similarities, found = nearest
        exhausted = len(found) < depth
        known = self._known(medium)
        scale = scale_of(self._sample(self.vector, medium), similarities, known)
        if medium not in self.gains:
            alone = len(self.passing) == 1 and not self.gains and not self.exclusions
            scores = similarities.astype(np.float64) if alone else scale(similarities)
            unseen = -np.inf if exhausted else scores[-1]
            relevance, answered = self._judged(medium, found, similarities, scale, known)
            return Candidates(found, similarities, scores, relevance, answered, unseen)
        unseen = -np.inf if exhausted else scale(similarities)[-1]
        # Of many items with the same words, the most similar count; likewise of those with the
        # most telling words, which may be far less similar than others with some.
        telling = self.gains[medium]
        searches = [nearest, self._search(telling.ids, depth)]
        if len(telling.ids) > depth:
            searches.append(self._search(telling.best(depth), depth))
        found, first = np.unique(np.concatenate([ids for _, ids in searches]), return_index=True)
        similarities = np.concatenate([similarities for similarities, _ in searches])[first]
        gained = telling.of(found)
        scores = np.where(gained > 0, scale.at_least_mean(similarities), scale(similarities))
        scores += gained
        relevance, answered = self._judged(medium, found, similarities, scale, known)
        literally = of_words(telling.coverage_of(found))
        return Candidates(
            found,
            similarities,
            scores,
            either(relevance, literally),
            either(answered, literally),
            unseen,
        )

    def _judged(
        self,
        medium: Medium,
        ids: NDArray[np.int64],
        similarities: NDArray[np.float32],
        scale: Scale,
        known: Background,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Relevance of candidates and of the whole medium, by meaning alone."""
        wanted = self.sought.vector
        if wanted is None:  # all that does not show what is excluded answers
            return np.ones(len(ids)), np.ones(len(ids))
        asked = self.sought.medium
        if self.sought.unwanted:  # which `exclusions` judge, and the search has moved away from
            wanted = _stored(wanted)
            similarities = self._similarities(wanted, ids)
            known = self.judge.expected(wanted, asked, medium, self.everything[medium])
            scale = scale_of(self._sample(wanted, medium), similarities[:0], known)
        judgement = self.judge.judge(
            wanted,
            asked,
            medium,
            ids,
            similarities,
            scale=scale,
            expected=known,
            items=len(self.passing[medium]),
            everything=self.everything[medium],
        )
        answered = np.nan if judgement.answered is None else judgement.answered
        return judgement.relevance, np.full(len(ids), answered)

    def _search(
        self, ids: NDArray[np.int64], depth: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        everything = len(ids) == len(self.vectors.ids)
        itself = self.sought.itself
        similarities, found = self.vectors.search(
            self.vector, depth + len(itself), among=None if everything else ids
        )
        if itself:
            others = ~np.isin(found, itself)
            similarities, found = similarities[others][:depth], found[others][:depth]
        return similarities, found

    def scale(self, medium: Medium, best: NDArray[np.float32]) -> Scale:
        """How similarities to a medium are read: from a sample of all of it, filtered or not."""
        sample = self._sample(self.vector, medium)
        return scale_of(sample, best, self._known(medium))

    def _known(self, medium: Medium) -> Background:
        """What unrelated items of a medium have."""
        items = self.everything[medium]
        return self.sought.background(
            lambda asked: self.judge.expected(self.vector, asked, medium, items)
        )

    def _sample(self, vector: NDArray[np.float32], medium: Medium) -> NDArray[np.float32]:
        """Similarities of a sample of a medium to a vector."""
        sample = self.judge.snapshot.columns.once(("sample", medium), lambda: self._sampled(medium))
        similarities, _ = self.vectors.search(vector, len(sample), among=sample)
        return similarities

    def _sampled(self, medium: Medium) -> NDArray[np.int64]:
        ids = self.everything[medium]
        return ids[:: -(-len(ids) // SAMPLE)].copy()


def _stored(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rounded as the embeddings in the store are."""
    return vector.astype(np.float16).astype(np.float32)


def _by_medium(columns: Columns, among: Mask) -> dict[Medium, NDArray[np.int64]]:
    """Ids of some items by medium, ascending; media without any are left out."""
    found: dict[Medium, NDArray[np.int64]] = {}
    for medium in Medium:
        mask = columns.of_modality(*medium.modalities)
        ids = columns.items[mask & among]
        if len(ids):
            found[medium] = ids
    return found
