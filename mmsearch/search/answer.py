"""Answers a query: embeds it, retrieves, reranks where that is asked for, and folds copies."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import QueryError, RerankerError
from mmsearch.index import IndexDirectory, Snapshot
from mmsearch.items import Hit
from mmsearch.search.calibrate.cut import is_shown
from mmsearch.search.duplicates.diversify import DEPTH, diversify
from mmsearch.search.duplicates.fold import BELOW, Copies, Retrieve, retrieve_distinct
from mmsearch.search.feedback import with_feedback
from mmsearch.search.language.tree import Question
from mmsearch.search.query import Query, read_query
from mmsearch.search.ranked import ranked
from mmsearch.search.retrieve import retrieve
from mmsearch.search.sought import Sought, embed_question, picture_of, with_items
from mmsearch.search.together import TextsTogether
from mmsearch.search.words import Words

if TYPE_CHECKING:
    from mmsearch.encoders.base import DualEncoder
    from mmsearch.search.rerank.base import Asked, Reranker

_log = logging.getLogger(__name__)

Vectors: TypeAlias = Mapping[int, NDArray[np.floating[Any]]]
"""Embeddings by item ids, shape (dim,)."""


def answer(
    directory: IndexDirectory,
    encoder_at_hand: Callable[[], DualEncoder],
    query: Query,
    k: int,
    *,
    grouped: bool,
    reranker_for: Callable[[DualEncoder], Reranker] | None,
    budget: float | None,
    fold: bool,
    diverse: bool,
    min_relevance: float,
    max_megapixels: float,
    together: TextsTogether,
) -> list[Hit]:
    """The best k hits; the first stage's, and a notice, where the reranker fails on them.

    Args:
        directory: the index.
        encoder_at_hand: gives the index's encoder; asked again where another process re-encodes
            the index at this very moment.
        query: what is asked.
        k: at most so many hits.
        grouped: a hit for each asset, or one for each item.
        reranker_for: gives the reranker that goes with the encoder; None for the first stage
            alone.
        budget: seconds that the reranker may take; None for as long as it needs.
        fold: hits that show the same become one.
        diverse: hits differ from each other.
        min_relevance: hits that are less likely to answer are passed over.
        max_megapixels: larger images are refused.
        together: lets queries that are asked at the same time share the encoder.

    Raises:
        QueryError: k or the budget is not positive, a filter matches nothing, or the query is a
            recording.
        MediaError: the query's image cannot be read.
        RerankerError: the reranker does not go with the encoder.
    """
    if k < 1:
        raise QueryError(f"The number of hits must be at least 1, not {k}.")
    if budget is not None and not budget > 0:
        raise QueryError(f"The budget must be a number of seconds above 0, not {budget}.")
    question = read_query(query)
    if question.is_listing and not query.feedback:
        with directory.snapshot() as snapshot:
            newest = partial(retrieve, snapshot, question, Sought(()), grouped=grouped)
            hits, copies = _retrieved(snapshot, newest, k, fold=fold, grouped=grouped)
        return copies.fold(hits, grouped=grouped)[:k]
    while True:
        encoder = encoder_at_hand()
        reranker = None if reranker_for is None else reranker_for(encoder)
        depth = max(k * DEPTH if diverse else k, 0 if reranker is None else reranker.depth)
        embedded = embed_question(question, together.of(encoder), max_megapixels=max_megapixels)
        with directory.snapshot() as snapshot:
            if snapshot.encoder.id != encoder.id:
                continue
            origin = snapshot.reader.created_at()
            sought = with_items(embedded, question, snapshot.reader)
            sought = with_feedback(sought, query.feedback, snapshot.columns)
            first_stage = partial(retrieve, snapshot, question, sought, grouped=grouped)
            hits, copies = _retrieved(snapshot, first_stage, depth, fold=fold, grouped=grouped)
            vectors: Vectors = {}
            if reranker is not None or diverse:
                items, rows = snapshot.reader.embeddings([hit.item for hit in hits])
                vectors = dict(zip(items.tolist(), rows, strict=True))
        break

    # Outside the snapshot, so that other searches need not wait.
    if reranker is not None:
        asked = None if query.feedback else _asked(question, max_megapixels)
        if asked is None:
            _log.warning("Hits of a query of several terms, or of items, are not reranked.")
        else:
            hits = _reranked(asked, hits, reranker, origin, vectors, budget, max_megapixels)
    hits = copies.fold(hits, grouped=grouped)
    # Before the cut to k: a hit that is passed over takes nobody's place.
    hits = [hit for hit in hits if hit.relevance is None or hit.relevance >= min_relevance]
    if diverse:
        likely = sum(map(is_shown, hits))  # none that is no answer only because it is different
        hits = diversify(hits[: max(k, likely)], vectors, k)
    return ranked(hits[:k])


def _retrieved(
    snapshot: Snapshot, first_stage: Retrieve, depth: int, *, fold: bool, grouped: bool
) -> tuple[list[Hit], Copies]:
    """The first stage's hits, and which of them are copies, where they are to be folded."""
    if fold:
        return retrieve_distinct(snapshot.reader, first_stage, depth, grouped=grouped)
    return first_stage(depth, spare=BELOW), Copies({})


def _reranked(
    asked: Asked,
    hits: list[Hit],
    reranker: Reranker,
    origin: str,
    vectors: Vectors,
    budget: float | None,
    max_megapixels: float,
) -> list[Hit]:
    from mmsearch.search.rerank.base import Deadline
    from mmsearch.search.rerank.hits import rerank_hits

    try:
        return rerank_hits(
            asked,
            hits,
            reranker,
            origin=origin,
            max_megapixels=max_megapixels,
            vectors=vectors,
            deadline=None if budget is None else Deadline(budget),
        )
    except RerankerError as error:
        _log.warning("%s The hits are not reranked.", error)
        _log.debug("How the reranker failed", exc_info=error)
        return hits


def _asked(question: Question, max_megapixels: float) -> Asked | None:
    """What a reranker is asked: a text or a picture; None where that is not all of the question."""
    if question.unwanted:
        return None
    pictures = [one.subject for one in question.wanted if isinstance(one.subject, Path)]
    if len(question.wanted) == len(pictures) == 1:
        return picture_of(pictures[0], max_megapixels=max_megapixels)
    if all(isinstance(one.subject, Words) for one in question.wanted):
        return question.words.plain or None
    return None
