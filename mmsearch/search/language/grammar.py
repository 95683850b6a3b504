"""The grammar, and the parser that Lark makes of it (an LALR parser with a contextual lexer).

Any text is in the language: what is no operator is a word. White space tells operators from
text. ``docs/query-language.md`` explains the rules to people.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

KEYS = (
    "type", "in", "before", "after", "on", "width", "height", "ratio", "camera", "near",
    "duration", "lang", "ext", "has", "like",
)  # fmt: skip
"""What a filter begins with, before its colon."""

Start = Literal["plain", "negated", "sum"]
"""Which operators that stand apart there are: none, ``NOT``, or ``+``, ``-`` and ``NOT``."""

GRAMMAR = rf"""
plain: term
negated: term (not_term)*
sum: term (plus_term | minus_term | not_term)*

plus_term: PLUS term
minus_term: MINUS term
not_term: NOT term
term: (WORD | PHRASE | LITERAL | WEIGHT | filter | exclusion)*

filter: FILTER
exclusion: DASH (FILTER | ((WORD | PHRASE | LITERAL | GROUP) WEIGHT?))

// Operators stand apart, with white space on both sides, ...
PLUS.4: /(?<!\S)\+(?!\S)/
MINUS.4: /(?<!\S)-(?!\S)/
NOT.4: /(?<!\S)NOT(?!\S)/
// ... or begin a word, ...
DASH.4: /(?<!\S)-(?=[^\W\d_]|["“„«({{])/
FILTER.5: /(?<![^\s-])(?:{"|".join(KEYS)}):(?:"[^"]*"|“[^“”]*”|„[^„“”]*[“”]|«[^«»]*»|\S+)/i
// ... or end a term.
WEIGHT.4: /(?<=\S)\^[-+]?\d+(?:\.\d+)?(?!\S)/

PHRASE.5: /"[^"]*"|“[^“”]*”|„[^„“”]*[“”]|«[^«»]*»/
LITERAL.5: /\{{(?:[^}}]|\}}\}})*\}}/
GROUP.5: /\([^()]*\)/
WORD: /(?:(?!\^[-+]?\d+(?:\.\d+)?(?!\S))[^\s"“„«{{])+|["“„«{{^]/

%ignore /\s+/
"""


def parse_tree(text: str, start: Start) -> Tree[Token]:
    """The syntax tree of any text."""
    return _parser(start).parse(text)


@cache
def _parser(start: Start) -> Lark:
    # One for each: in a joint one the lexer would know operators of the other starts too.
    # Here, so that a query without operators does not wait for the import.
    from lark import Lark

    return Lark(
        GRAMMAR,
        parser="lalr",
        lexer="contextual",
        start=start,
    )
