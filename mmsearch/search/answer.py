"""Answers a query: embeds it, retrieves, and reranks where that is asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from mmsearch.errors import QueryError, RerankerError
from mmsearch.index import IndexDirectory
from mmsearch.items import Hit
from mmsearch.search.query import Query, embed_query, picture_of
from mmsearch.search.retrieve import retrieve
from mmsearch.search.words import parse_words

if TYPE_CHECKING:
    from mmsearch.encoders.base import DualEncoder
    from mmsearch.search.rerank.base import Asked, Reranker

_log = logging.getLogger(__name__)


def answer(
    directory: IndexDirectory,
    encoder_at_hand: Callable[[], DualEncoder],
    query: Query,
    k: int,
    *,
    grouped: bool,
    reranker_for: Callable[[DualEncoder], Reranker] | None,
    budget: float | None,
    max_megapixels: float,
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
        max_megapixels: larger images are refused.

    Raises:
        QueryError: k is not positive, a filter matches nothing, or the query is a recording.
        MediaError: the query's image cannot be read.
        RerankerError: the reranker does not go with the encoder.
    """
    if k < 1:
        raise QueryError(f"The number of hits must be at least 1, not {k}.")
    while True:
        encoder = encoder_at_hand()
        reranker = None if reranker_for is None else reranker_for(encoder)
        depth = k if reranker is None else max(k, reranker.depth)
        vector = embed_query(query, encoder, max_megapixels=max_megapixels)
        with directory.snapshot() as snapshot:
            if snapshot.encoder.id != encoder.id:
                continue
            origin = snapshot.reader.created_at()
            hits = retrieve(snapshot, query, vector, depth, grouped=grouped)
            if reranker is None:
                return hits
            items, vectors = snapshot.reader.embeddings([hit.item for hit in hits])
        break

    # Outside the snapshot, so that other searches need not wait.
    from mmsearch.search.rerank.base import Deadline
    from mmsearch.search.rerank.hits import rerank_hits

    deadline = None if budget is None else Deadline(budget)
    asked = _asked(query, max_megapixels)
    try:
        return rerank_hits(
            asked,
            hits,
            reranker,
            origin=origin,
            max_megapixels=max_megapixels,
            vectors=dict(zip(items.tolist(), vectors, strict=True)),
            deadline=deadline,
        )[:k]
    except RerankerError as error:
        _log.warning("%s The hits are not reranked.", error)
        _log.debug("How the reranker failed", exc_info=error)
        return hits[:k]


def _asked(query: Query, max_megapixels: float) -> Asked:
    if query.text is not None:
        return parse_words(query.text).plain or query.text
    return picture_of(query, max_megapixels=max_megapixels)
