"""Reads a query's text: the syntax tree of `grammar` becomes a `Question`."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from mmsearch.search.language.conditions import Not
from mmsearch.search.language.grammar import KEYS, Start, parse_tree
from mmsearch.search.language.literal import unquoted
from mmsearch.search.language.pictures import names_picture, picture_at
from mmsearch.search.language.spot import syntax_error
from mmsearch.search.language.tree import Filter, Like, Question, Span, Subject, Term
from mmsearch.search.language.values import RefusedError, condition
from mmsearch.search.words import Words, literal_words, parse_words, phrase_words

if TYPE_CHECKING:
    from lark import Token, Tree

_log = logging.getLogger(__name__)

MAX_LENGTH = 10_000
"""A longer text is a pasted page: nothing in it is an operator or must occur."""

MAX_TERMS = 32
MAX_WEIGHT = 100.0

# What any operator begins with; without it, no parser is needed.
_MARK = re.compile(rf"(?:^|\s)[-+]|(?:^|\s)NOT\s|\{{|\b(?:{'|'.join(KEYS)}):\S", re.IGNORECASE)
_SUM = re.compile(r"\S\s+\+\s+\S")
_DIFFERENCE = re.compile(r"\s-\s")
_NOT = re.compile(r"(?<!\S)NOT(?!\S)")
_FILTERS = re.compile(rf"(?<!\S)-?(?:{'|'.join(KEYS)}):\S+", re.IGNORECASE)
_NEARLY = re.compile(r"(?<!\S)-?([a-z]{3,10}):(?=[^\s/:])", re.IGNORECASE)
_QUOTES = '"“”„«»'

FindPicture = Callable[[str], Path | None]


def read_question(text: str, *, files: bool = False) -> Question:
    """Reads a query; takes any text.

    Args:
        text: in the query language; see ``docs/query-language.md``.
        files: whether names of image files stand for the pictures. Only for text of people whose
            files these are.

    Raises:
        QuerySyntaxError: a filter or a weight has a value that it cannot have, a quotation mark
            or parenthesis of an operator is not closed, or there are too many terms.
    """
    _hint(text)
    whole = Span(0, len(text))
    find = picture_at if files else _no_picture
    if picture := find(text):
        return Question(text, wanted=(Term(picture, whole),))
    if len(text) > MAX_LENGTH:
        return Question(text, (Term(literal_words(text), whole),))
    if not _MARK.search(text):
        words = parse_words(text)
        return Question(text, (Term(words if words.plain else literal_words(text), whole),))
    start = _start(text, find)
    reading = _Reading(text, find, is_sum=start == "sum")
    reading.read(parse_tree(text, start))
    return reading.question()


def _hint(text: str) -> None:
    """A notice where something is nearly a filter: it is searched for like any text."""
    typed = text[:MAX_LENGTH].partition("{")[0]  # what is quoted by braces is no filter
    for key in {match[1].lower() for match in _NEARLY.finditer(typed)} - {*KEYS}:
        if meant := get_close_matches(key, KEYS, n=1, cutoff=0.75):
            _log.warning("There is no filter %s:, so it is searched for; %s: is one.", key, *meant)


def _no_picture(name: str) -> None:
    return None


def _start(text: str, find: FindPicture) -> Start:
    """Which operators that stand apart are meant as such, and not as signs of a sentence."""
    if _SUM.search(text):
        return "sum"
    parts = [part.strip() for part in _DIFFERENCE.split(text)]
    if len(parts) > 1 and any(
        part.lower().startswith("like:") or find(part.strip(_QUOTES)) for part in parts
    ):
        return "sum"
    # A sign in capitals (DO NOT ENTER) is text.
    rest = _NOT.sub("", _FILTERS.sub("", text))
    small = any(c.isalpha() and not c.isupper() for c in rest)
    return "negated" if _NOT.search(text) and (small or not rest.strip()) else "plain"


@dataclass
class _Reading:
    """A query that is being read."""

    text: str
    find: FindPicture
    is_sum: bool
    wanted: list[Term] = field(default_factory=list)
    unwanted: list[Term] = field(default_factory=list)
    filters: list[Filter] = field(default_factory=list)

    @property
    def whole(self) -> Span:
        """Where all of the text stands."""
        return Span(0, len(self.text))

    def question(self) -> Question:
        """What was read; a text in which nothing is left is searched for as it stands."""
        if not (self.wanted or self.unwanted or self.filters):
            return Question(self.text, wanted=(Term(literal_words(self.text), self.whole),))
        terms = sorted([*self.wanted, *self.unwanted], key=_place)
        if len(terms) > MAX_TERMS:
            problem = f"There are more than {MAX_TERMS} terms: leave out this one and what follows."
            raise syntax_error(self.text, terms[MAX_TERMS].span or self.whole, problem)
        return Question(
            self.text,
            wanted=tuple(sorted(self.wanted, key=_place)),
            unwanted=tuple(sorted(self.unwanted, key=_place)),
            filters=tuple(self.filters),
        )

    def read(self, tree: Tree[Token]) -> None:
        for child in _trees(tree.children):
            if child.data == "term":
                self._term(child, wanted=True)
            else:
                _, term = child.children
                assert not isinstance(term, str)
                self._term(term, wanted=child.data == "plus_term")

    def _term(self, tree: Tree[Token], *, wanted: bool) -> None:
        """Reads what stands between two operators."""
        pieces: list[Token] = []
        for place, child in enumerate(tree.children):
            if isinstance(child, str):
                pieces.append(child)
            elif child.data == "exclusion":
                self._exclusion(child.children[1:])  # type: ignore[arg-type]
            else:
                # NOT before a filter takes that filter alone.
                negated = not wanted and place == 0
                wanted = wanted or negated
                self._filter(child.children[0], negated=negated)  # type: ignore[arg-type]
        weight = 1.0
        if len(pieces) > 1 and pieces[-1].type == "WEIGHT" and (self.is_sum or not wanted):
            weight = self._weight(pieces.pop())
        if pieces:
            span = Span(_start_of(pieces[0]), _end_of(pieces[-1]))
            subject = self._subject(pieces, span, held=self.is_sum or not wanted)
            if not isinstance(subject, Words) or subject.plain:
                (self.wanted if wanted else self.unwanted).append(Term(subject, span, weight))

    def _subject(self, pieces: list[Token], span: Span, *, held: bool) -> Subject:
        """What pieces of text stand for.

        Args:
            pieces: words, phrases, literal text; a weight that ends no term is text too.
            span: where they stand.
            held: whether quotation marks and parentheses around the whole hold it together.
        """
        raw = self.text[span.start : span.end]
        is_quoted = len(pieces) == 1 and pieces[0].type == "PHRASE"
        if picture := self._picture(raw[1:-1] if is_quoted else raw):
            return picture
        if held and is_quoted:
            return literal_words(raw[1:-1])
        if held and re.fullmatch(r"\([^()]*\)", raw):
            return parse_words(raw[1:-1])
        return Words.joined([_words(run) for run in self._runs(pieces)])

    def _picture(self, name: str) -> Path | None:
        picture = self.find(name)
        if picture is None and self.find is picture_at and names_picture(name):
            _log.warning("There is no file %s here, so these words are searched for.", name)
        return picture

    def _runs(self, pieces: Iterable[Token]) -> Iterable[tuple[str, bool]]:
        """Parts of a text as they were typed, and whether each is literal."""
        run: Span | None = None
        for piece in pieces:
            start, end = _start_of(piece), _end_of(piece)
            if piece.type == "LITERAL":
                if run:
                    yield self.text[run.start : run.end], False
                run = None
                yield unquoted(str(piece)), True
            elif run and not self.text[run.end : start].strip():
                run = Span(run.start, end)
            else:
                if run:
                    yield self.text[run.start : run.end], False
                run = Span(start, end)
        if run:
            yield self.text[run.start : run.end], False

    def _exclusion(self, tokens: list[Token]) -> None:
        """Reads what follows a minus that begins a word."""
        token, *weights = tokens
        if token.type == "FILTER":
            self._filter(token, negated=True)
            return
        span = Span(_start_of(token) - 1, _end_of(token))
        text = str(token)
        if token.type == "WORD" and text[0] in "(" + _QUOTES:
            problem = (
                f"What {text[0]} opens is not closed: put its counterpart after the last word."
            )
            raise syntax_error(self.text, span, problem)
        subject: Subject | None = None
        if token.type == "WORD":
            subject = self._picture(text) or parse_words(text)
        elif token.type == "LITERAL":
            subject = literal_words(unquoted(text))
        elif token.type == "GROUP":
            subject = self._picture(text[1:-1]) or literal_words(text[1:-1])
        else:
            subject = self._picture(text[1:-1]) or phrase_words(text[1:-1])
        if isinstance(subject, Words) and not subject.all:
            problem = "There is no word here to leave out: put one after the minus."
            raise syntax_error(self.text, span, problem)
        weight = self._weight(weights[0]) if weights else 1.0
        self.unwanted.append(Term(subject, span, weight))

    def _filter(self, token: Token, *, negated: bool) -> None:
        span = Span(_start_of(token), _end_of(token))
        typed, _, value = str(token).partition(":")
        key = typed.lower()
        if value[0] in _QUOTES:
            if len(value) < 2 or value[-1] not in _QUOTES:
                problem = f"What {value[0]} opens is not closed: put one after the value of {key}:."
                raise syntax_error(self.text, span, problem)
            value = value[1:-1]
        if key == "like" and value.strip():
            (self.unwanted if negated else self.wanted).append(Term(Like(value), span))
            return
        try:
            found = condition(key, value)
        except RefusedError as refused:
            takes = "takes a file or an item" if key == "like" else refused
            problem = (
                f"The filter {key}: {takes}, not {value!r}. "
                f"To search for the words, put a space after the colon."
            )
            raise syntax_error(self.text, span, problem) from None
        self.filters.append(Filter(Not(found) if negated else found, span))

    def _weight(self, token: Token) -> float:
        weight = float(token[1:])
        if not 0 < weight <= MAX_WEIGHT:
            problem = (
                f"A weight is above 0 and at most {MAX_WEIGHT:.0f}, not {token[1:]}; "
                "a minus before a term leaves it out."
            )
            raise syntax_error(self.text, Span(_start_of(token), _end_of(token)), problem)
        return weight


def _place(term: Term) -> int:
    return term.span.start if term.span else 0


def _words(run: tuple[str, bool]) -> Words:
    text, is_literal = run
    return literal_words(text) if is_literal else parse_words(text)


def _trees(children: Iterable[Tree[Token] | Token]) -> Iterable[Tree[Token]]:
    return (child for child in children if not isinstance(child, str))


def _start_of(token: Token) -> int:
    return token.start_pos or 0


def _end_of(token: Token) -> int:
    return token.end_pos or 0
