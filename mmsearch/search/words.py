"""What the words of a query ask of full text.

    dogs on a beach        any of the words, the rarer the more telling
    "dogs on a beach"      only what holds this phrase
    beach*                 only what holds a word that begins so

Operators of the query language are text here: see `mmsearch.search.language`. Scripts without
spaces (Chinese, Japanese, Thai, ...) have no words to the tokenizer: a run of them is found by its
beginning.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_WORDS = 64
"""Of a longer text, only the first words are looked up; its meaning is searched for as a whole."""

_PHRASE = re.compile(r'"([^"]*)"|“([^“”]*)”|„([^„“”]*)[“”]|«([^«»]*)»')
_MARKS = "\u0300-\u036f"
_WORD = re.compile(rf"(?:[^\W_][{_MARKS}]*)+")
_STAR = r"\*(?=\s|$)"
_WORD_OR_PREFIX = re.compile(rf"({_WORD.pattern})({_STAR})?")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
    "\uf900-\ufaff\U00020000-\U0003ffff]"
)


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a query, as FTS5 expressions.

    Attributes:
        free: words that may match, one expression each.
        required: phrases and prefixes that must match, one expression each.
        plain: the text without the marks of phrases and prefixes, for the text tower.
    """

    free: tuple[str, ...]
    required: tuple[str, ...]
    plain: str

    @property
    def all(self) -> tuple[str, ...]:
        """All expressions, the required ones first."""
        return self.required + self.free

    @classmethod
    def joined(cls, parts: Sequence[Words]) -> Words:
        """The words of a text in several parts."""
        return cls(
            free=_distinct(word for part in parts for word in part.free),
            required=_distinct(word for part in parts for word in part.required),
            plain=" ".join(part.plain for part in parts if part.plain),
        )


def parse_words(text: str) -> Words:
    """Reads the words, phrases and prefixes of a query; takes any text."""
    text = _normal(text)
    phrases = [_inner(match) for match in _PHRASE.finditer(text)]
    required = [_phrase(words) for phrase in phrases if (words := _WORD.findall(phrase))]
    free: list[str] = []
    for word, star in _WORD_OR_PREFIX.findall(_PHRASE.sub(" ", text)):
        (required if star else free).append(_word(word, prefix=bool(star)))
    plain = _PHRASE.sub(lambda match: f" {_inner(match)} ", text)
    return Words(
        free=_distinct(free),
        required=_distinct(required),
        plain=" ".join(re.sub(rf"(?<=\w){_STAR}", "", plain).split()),
    )


def literal_words(text: str) -> Words:
    """The words of a text in which there are no phrases and prefixes; takes any text."""
    text = _normal(text)
    free = _distinct(_word(word, prefix=False) for word in _WORD.findall(text))
    return Words(free=free, required=(), plain=" ".join(text.split()))


def phrase_words(text: str) -> Words:
    """The words of a text that must be found as a phrase; takes any text."""
    text = _normal(text)
    words = _WORD.findall(text)
    required = (_phrase(words),) if words else ()
    return Words(free=(), required=required, plain=" ".join(text.split()))


def _normal(text: str) -> str:
    text = text.encode("utf-8", "replace").decode()  # lone surrogates: no tower takes them
    return unicodedata.normalize("NFC", text)


def _distinct(expressions: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(expressions))[:MAX_WORDS]


def _inner(match: re.Match[str]) -> str:
    return next((group for group in match.groups() if group is not None), "")


def _phrase(words: list[str]) -> str:
    """An FTS5 string; letters and digits alone cannot end it."""
    return _either(" ".join(words), is_prefix=bool(_UNSPACED.search(words[-1])))


def _word(word: str, *, prefix: bool) -> str:
    return _either(word, is_prefix=prefix or bool(_UNSPACED.search(word)))


def _either(text: str, *, is_prefix: bool) -> str:
    """A text as it is typed, or taken apart into letters and marks, as macOS names files.

    The tokenizer takes only the two forms of Latin letters for the same.
    """
    forms = dict.fromkeys((text.lower(), unicodedata.normalize("NFD", text.lower())))
    return " OR ".join(f'"{form}"' + "*" * is_prefix for form in forms)
