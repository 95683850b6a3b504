"""Explains one item: its scores, and what in the query and in the item brings them about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.catalog.looks import Looks, looks_of
from mmsearch.catalog.records import ItemRecord
from mmsearch.errors import MediaError, QueryError
from mmsearch.index import IndexDirectory, Snapshot
from mmsearch.items import Hit, Modality, middle
from mmsearch.media.files import changed_ns, content_hash, read_bytes
from mmsearch.media.formats import MediaKind, kind_of
from mmsearch.search.explain.explanation import Explanation, RegionMap, TermEvidence, WordEffect
from mmsearch.search.explain.regions import similarity_maps
from mmsearch.search.explain.words import Standard, item_words, query_words
from mmsearch.search.feedback import with_feedback
from mmsearch.search.filters import passing_items
from mmsearch.search.language.tree import Like, Question, Term
from mmsearch.search.lookup import gains
from mmsearch.search.normalise import Medium
from mmsearch.search.query import Query, read_query
from mmsearch.search.reference import resolve_items
from mmsearch.search.rerank.hits import PictureOpener
from mmsearch.search.retrieve import retrieve
from mmsearch.search.sought import Direction, Sought, direction_of, embed_question, with_items
from mmsearch.search.words import Words

if TYPE_CHECKING:
    from PIL.Image import Image

    from mmsearch.encoders.base import DualEncoder

DEPTH = 10_000
"""Ranks are told down to here."""

_SAMPLE = 500  # other items that similarities are compared with
_PICTURE = (1024, 1024)  # pixels that the cut-outs and the drawing of a photo need


@dataclass(frozen=True, slots=True)
class _Term:
    """A term, embedded by itself, and where the item ranks for it alone."""

    term: Term
    wanted: bool
    direction: Direction
    hit: Hit | None


@dataclass(frozen=True, slots=True)
class _Looked:
    """What the index says of an item: read in one snapshot."""

    item: ItemRecord
    looks: Looks
    standard: Standard
    sought: Sought
    terms: tuple[_Term, ...]
    ranked: int
    hit: Hit | None
    unranked: str | None
    words_gain: float
    coverage: float


def explain(
    directory: IndexDirectory,
    encoder_at_hand: Callable[[], DualEncoder],
    query: Query,
    name: str,
    *,
    rerank: Callable[[], Sequence[Hit]] | None,
    max_megapixels: float,
) -> Explanation:
    """Why an item answers a query as well as it does.

    Args:
        directory: the index.
        encoder_at_hand: gives the index's encoder; asked again where another process re-encodes
            the index at this very moment.
        query: what is asked.
        name: of a file, whose best item is explained, or of an item: see `reference`.
        rerank: gives the query's hits for items in the order of a reranker; None for none.
        max_megapixels: larger images are refused.

    Raises:
        QueryError: nothing that is indexed has this name, the item has no embedding, the query
            cannot be understood, or seeks nothing in particular.
        MediaError: the query's image cannot be read.
        RerankerError: the reranker does not go with the encoder.
    """
    question = read_query(query)
    if question.is_listing and not query.feedback:
        raise QueryError(
            "The query only filters, and every item that passes answers it: add what to look for."
        )
    while True:
        encoder = encoder_at_hand()
        embedded = embed_question(question, encoder, max_megapixels=max_megapixels)
        alone = [
            embed_question(Question(question.text, (term,)), encoder, max_megapixels=max_megapixels)
            for term in (*question.wanted, *question.unwanted)
        ]
        with directory.snapshot() as snapshot:
            if snapshot.encoder.id == encoder.id:
                sought = with_items(embedded, question, snapshot.reader)
                sought = with_feedback(sought, query.feedback, snapshot.columns)
                looked = _look(snapshot, question, sought, alone, name)
                break
    explained = _explained(looked, question, encoder, max_megapixels)
    if rerank is None:
        return explained
    hit = next((hit for hit in rerank() if hit.item == explained.item), None)
    if hit is None or hit.reranked is None:
        return explained
    return replace(explained, reranked=hit.reranked, reranked_rank=hit.rank)


def _look(
    snapshot: Snapshot, question: Question, sought: Sought, alone: Sequence[Sought], name: str
) -> _Looked:
    """Everything that is read from the index."""
    reader, columns = snapshot.reader, snapshot.columns
    named = resolve_items(reader, name)
    hits = retrieve(snapshot, question, sought, DEPTH, grouped=False)
    hit = next((hit for hit in hits if hit.item in named), None)
    ids, vectors = reader.embeddings(named)
    if not len(ids):
        raise QueryError(f"{name} has no embedding yet; run `mmsearch index` to finish it.")
    best = int((vectors.astype(np.float32) @ sought.pull).argmax())
    at = best if hit is None else int(np.searchsorted(ids, hit.item))
    item = int(ids[at])
    record = reader.items([item])[item]

    same_medium = columns.of_modality(*Medium.of(record.modality).modalities)
    others = columns.items[same_medium & (columns.items != item)]
    _, sample = reader.embeddings(others[:: max(1, -(-len(others) // _SAMPLE))].tolist() or [item])
    texts = int(columns.of_modality(*Medium.TEXT.modalities).sum())
    found = gains(columns, question.words, texts=texts)
    this = np.array([item])
    return _Looked(
        item=record,
        looks=looks_of(reader, [record.asset_id])[record.asset_id],
        standard=Standard(vectors[at].astype(np.float32), sample.astype(np.float32)),
        sought=sought,
        terms=tuple(_terms(snapshot, question, sought, alone, hit, item)),
        ranked=len(hits),
        hit=hit,
        unranked=None if hit else _why_unranked(snapshot, question, sought, item),
        words_gain=float(found.of(this)[0]),
        coverage=float(found.coverage_of(this)[0]),
    )


def _terms(
    snapshot: Snapshot,
    question: Question,
    sought: Sought,
    alone: Sequence[Sought],
    hit: Hit | None,
    item: int,
) -> list[_Term]:
    """Each term by itself, over all items."""
    terms = (*question.wanted, *question.unwanted)
    found = []
    for number, (term, embedded) in enumerate(zip(terms, alone, strict=True)):
        if isinstance(term.subject, Like):
            items = resolve_items(snapshot.reader, term.subject.name)
            direction = direction_of(items, 1.0, snapshot.reader)
        else:
            (direction,) = embedded.wanted
        its_hit = hit
        if len(terms) > 1 or question.filters or sought.itself:
            one = Question(question.text, (term,))
            hits = retrieve(snapshot, one, Sought((direction,)), DEPTH, grouped=False)
            its_hit = next((hit for hit in hits if hit.item == item), None)
        found.append(_Term(term, number < len(question.wanted), direction, its_hit))
    return found


def _why_unranked(snapshot: Snapshot, question: Question, sought: Sought, item: int) -> str:
    passing = passing_items(snapshot.columns, question)
    if passing is not None and item not in snapshot.columns.items[passing]:
        return "it does not pass the query's filters"
    if item in sought.itself:
        return "it was named as an example, or turned down"
    return f"it is not among the best {DEPTH:,}"


def _explained(
    looked: _Looked, question: Question, encoder: DualEncoder, max_megapixels: float
) -> Explanation:
    """What takes the encoder."""
    item, hit, standard = looked.item, looked.hit, looked.standard
    sought = looked.sought.pull
    picture, unreadable = _picture(item, looked.looks, max_megapixels)
    vectors = np.stack([sought, *(one.direction.vector for one in looked.terms)])
    maps: list[RegionMap | None] = [None] * len(vectors)
    if picture is not None:
        maps = [RegionMap(one, picture) for one in similarity_maps(encoder, picture, vectors)]
    standing = standard.standing(vectors)
    similarities = vectors @ standard.item
    words: tuple[WordEffect, ...] = ()
    if item.text and item.modality not in Medium.PICTURE.modalities:
        asked = question.words.plain
        words = item_words(item.text, encoder, sought, standard, asked=asked)
    return Explanation(
        query=question.text,
        encoder=encoder.id,
        path=item.path,
        modality=item.modality,
        item=item.id,
        asset=item.asset_id,
        text=item.text,
        start=item.start,
        end=item.end,
        ranked=looked.ranked,
        rank=None if hit is None else hit.rank,
        unranked=looked.unranked,
        score=None if hit is None else hit.score,
        relevance=None if hit is None else hit.relevance,
        similarity=float(similarities[0]),
        standing=float(standing[0]),
        words_gain=looked.words_gain,
        coverage=looked.coverage,
        terms=tuple(
            _evidence(one, question, encoder, standard, maps[number])
            for number, one in enumerate(looked.terms, 1)
        ),
        words=words,
        regions=maps[0],
        unreadable=unreadable,
    )


def _evidence(
    one: _Term,
    question: Question,
    encoder: DualEncoder,
    standard: Standard,
    regions: RegionMap | None,
) -> TermEvidence:
    subject, vector = one.term.subject, one.direction.vector
    words: tuple[WordEffect, ...] = ()
    if isinstance(subject, Words):
        words = query_words(subject.plain, encoder, standard)
    return TermEvidence(
        text=_typed(one.term, question),
        wanted=one.wanted,
        weight=one.term.weight,
        similarity=float(vector @ standard.item),
        standing=float(standard.standing(vector[np.newaxis])[0]),
        relevance=None if one.hit is None else one.hit.relevance,
        rank=None if one.hit is None else one.hit.rank,
        words=words,
        regions=regions,
    )


def _typed(term: Term, question: Question) -> str:
    """A term as a person knows it."""
    if isinstance(term.subject, Path):
        return term.subject.name
    if isinstance(term.subject, Words) and term.subject.plain:
        return term.subject.plain
    return question.text if term.span is None else question.text[term.span.start : term.span.end]


def _picture(
    item: ItemRecord, looks: Looks, max_megapixels: float
) -> tuple[Image | None, str | None]:
    """What is seen where the item is, or why it cannot be looked at; neither where nothing is.

    A caption is about a photo, and recognised text stands in one.
    """
    modality = Modality.IMAGE if kind_of(item.path.name) is MediaKind.PHOTO else item.modality
    if modality not in Medium.PICTURE.modalities:
        return None, None
    time = middle(item.start, item.end)
    try:
        if modality is Modality.IMAGE and _has_changed(item.path, looks):
            return None, "it has changed since it was indexed"
        return PictureOpener(item.path, modality, time, max_megapixels)(_PICTURE), None
    except MediaError as error:
        return None, str(error)


def _has_changed(photo: Path, looks: Looks) -> bool:
    """Whether a photo is another than the one whose embedding is explained."""
    try:
        touched = changed_ns(photo.stat()) != looks.mtime_ns
    except (OSError, ValueError):
        return False  # whoever opens it tells why that fails
    return touched and looks.content_hash not in (None, content_hash(read_bytes(photo)))
