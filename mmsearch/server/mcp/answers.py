"""Turns what the library gives into what the tools answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmsearch.as_json import info_as_json
from mmsearch.errors import MmsearchError
from mmsearch.server.mcp.models import (
    ExplainAnswer,
    Found,
    Looked,
    Moment,
    SearchHit,
    ServedIndex,
    TermEffect,
    Word,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mmsearch.catalog.records import ItemRecord
    from mmsearch.items import Hit
    from mmsearch.library import Index
    from mmsearch.search.explain.explanation import Explanation, WordEffect
    from mmsearch.search.view import View


def search_hit(hit: Hit) -> SearchHit:
    """A hit."""
    return SearchHit(
        **dict(_found(hit)),
        rank=hit.rank,
        path=str(hit.path),
        asset=hit.asset,
        **info_as_json(hit.info),
        others=[_found(other) for other in hit.others] or None,
        copies=[str(copy.path) for copy in hit.copies] or None,
    )


def looked(view: View, *, picture: int | None, unreadable: str | None) -> Looked:
    """An item with what is around it."""
    item = view.item
    return Looked(
        **dict(_moment(item)),
        path=str(item.path),
        asset=item.asset_id,
        **info_as_json(item.info),
        texts=[_moment(text) for text in view.texts],
        picture=picture,
        unreadable=unreadable,
    )


def explained(index: str, found: Explanation) -> ExplainAnswer:
    """An explanation; its heat map is sent as a picture."""
    return ExplainAnswer(
        index=index,
        query=found.query,
        item=found.item,
        modality=found.modality.value,
        text=found.text,
        start=found.start,
        end=found.end,
        path=str(found.path),
        rank=found.rank,
        ranked=found.ranked,
        unranked=found.unranked,
        relevance=_rounded(found.relevance),
        similarity=round(found.similarity, 4),
        standing=round(found.standing, 2),
        words_gain=round(found.words_gain, 2),
        coverage=round(found.coverage, 2),
        terms=[
            TermEffect(
                text=term.text,
                wanted=term.wanted,
                weight=term.weight,
                rank=term.rank,
                relevance=_rounded(term.relevance),
                standing=round(term.standing, 2),
                words=_words(term.words),
            )
            for term in found.terms
        ],
        words=_words(found.words),
        seen_at=None if found.regions is None else [round(at, 3) for at in found.regions.peak],
        unreadable=found.unreadable,
    )


def served_index(name: str, open_index: Callable[[], Index], *, default: bool) -> ServedIndex:
    """What an index holds, or why it cannot be opened."""
    try:
        status = open_index().status()
    except MmsearchError as error:
        return ServedIndex(name=name, default=default, problem=str(error))
    return ServedIndex(
        name=name,
        default=default,
        encoder=status.encoder,
        assets=status.assets,
        items={modality.value: count for modality, count in status.items.items()},
        failed=len(status.failed),
        sources=[str(source) for source in status.sources],
    )


def _moment(item: ItemRecord) -> Moment:
    return Moment(
        item=item.id,
        modality=item.modality.value,
        text=item.text,
        start=item.start,
        end=item.end,
    )


def _found(hit: Hit) -> Found:
    return Found(
        item=hit.item,
        modality=hit.modality.value,
        text=hit.text,
        start=hit.start,
        end=hit.end,
        relevance=_rounded(hit.relevance),
    )


def _words(words: Sequence[WordEffect]) -> list[Word]:
    return [Word(word=one.word, effect=round(one.effect, 2), matched=one.matched) for one in words]


def _rounded(probability: float | None) -> float | None:
    return None if probability is None else round(probability, 4)
