"""What the query language made of a query, for a page to show beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from mmsearch.search.language.conditions import Not
from mmsearch.search.language.read import read_question
from mmsearch.search.language.tree import Filter, Like, Question, Span, Term
from mmsearch.search.words import Words
from mmsearch.server.errors import refusals
from mmsearch.server.notices import collected
from mmsearch.server.results import json_answer
from mmsearch.server.schemas import Understood, answers
from mmsearch.server.state import INDEX, ServedIndex

MAX_QUERY = 20_000
"""Characters of a query."""


def router() -> APIRouter:
    """The route."""
    routes = APIRouter(tags=["search"])
    routes.get(
        f"{INDEX}/understand",
        operation_id="understand_query",
        responses=answers(Understood, "The query's parts.") | refusals(400, 404, 422),
    )(understand_query)
    return routes


def understand_query(
    index: ServedIndex,
    q: Annotated[str, Query(max_length=MAX_QUERY, description="In the query language.")],
) -> Response:
    """Tells what a query means, without searching.

    A part that cannot be understood is an error with its `position` and `length`.
    """
    with collected() as notices:
        question = read_question(q)
    return json_answer(understood(question, notices))


def understood(question: Question, notices: Sequence[str]) -> dict[str, Any]:
    """The parts of a query; see `mmsearch.server.schemas.Understood`."""
    terms = [(term, True) for term in question.wanted]
    terms += [(term, False) for term in question.unwanted]
    terms.sort(key=lambda one: one[0].span.start if one[0].span else -1)
    return {
        "text": question.text,
        "terms": [_term(question.text, term, wanted=wanted) for term, wanted in terms],
        "phrases": [_readable(expression) for expression in question.words.required],
        "filters": [_filter(question.text, one) for one in question.filters if one.span],
        "notices": list(notices),
    }


def _term(text: str, term: Term, *, wanted: bool) -> dict[str, Any]:
    return {
        # Its own words: between them, filters and excluded words may stand.
        "text": term.subject.plain if isinstance(term.subject, Words) else _typed(text, term.span),
        "kind": "items" if isinstance(term.subject, Like) else "text",
        "wanted": wanted,
        "weight": term.weight,
        **_place(term.span),
    }


def _filter(text: str, one: Filter) -> dict[str, Any]:
    typed = _typed(text, one.span)
    key, _, value = typed.partition(":")
    return {
        "text": typed,
        "key": key.lower(),
        "value": value.strip('"“”„«»'),
        "negated": isinstance(one.condition, Not),
        **_place(one.span),
    }


def _typed(text: str, span: Span | None) -> str:
    return "" if span is None else text[span.start : span.end]


def _place(span: Span | None) -> dict[str, int | None]:
    if span is None:
        return {"position": None, "length": None}
    return {"position": span.start, "length": span.end - span.start}


def _readable(expression: str) -> str:
    """A phrase or the beginning of a word, out of its full-text expression."""
    return expression.partition(" OR ")[0].replace('"', "")
