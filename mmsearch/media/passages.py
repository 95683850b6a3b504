"""Cuts running text into passages: pieces of the size of one item, at the limits people hear."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, islice
from typing import TypeAlias

Fits: TypeAlias = Callable[[str], bool]
"""Tells whether a text tower takes a text whole."""

PASSAGE_SIZE = 400
"""How much is packed into one passage: about 60 English words in characters, where a Chinese,
Japanese or Korean one counts three times.

Three or four sentences usually speak of one thing; the embedding of more is an average that is
near to nothing in particular, and text towers take little more (CLIP's 77 tokens are about 55
English words, MiniLM's 128 about 95).
"""

_LONGEST_SENTENCE = 2 * PASSAGE_SIZE  # up to here a sentence stays whole where it fits

_DENSE = re.compile("[\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]")

_SENTENCE_END = re.compile(
    # marks that need a space after them: 3.14 and example.com hold no end
    r"(?<![.!?…؟।۔])[.!?…؟।۔]++[\"'”’»)\]]*+(?= )"
    r"|(?<![。！？｡])[。！？｡]++[」』”’）】》]*+"
)
_CLAUSE_END = re.compile(r"(?<=[,;:،؛])(?= )|(?<=[，；：、])| (?=[—–-] )|(?<=—)")
_OPENING = "\"'“‘„«([¿¡「『（"

_ABBREVIATIONS = frozenset(
    (
        "mr", "mrs", "ms", "mx", "dr", "prof", "st", "ste", "sr", "jr", "rev", "hon", "gen", "col",
        "capt", "lt", "sgt", "gov", "sen", "rep", "pres", "mt", "ft", "vs", "etc", "al", "cf", "ca",
        "approx", "dept", "inc", "ltd", "co", "corp", "bros", "ave", "blvd", "rd", "ed", "eds",
        "jan", "feb", "apr", "aug", "sep", "sept", "oct", "nov", "dec",
        "hr", "fr", "bzw", "usw", "vgl", "evtl", "ggf", "inkl", "str",  # German
        "mme", "mlle", "mgr", "env", "sra", "srta", "ud", "uds", "sig", "dott",  # Romance
    )
)  # fmt: skip
_BEFORE_NUMBERS = frozenset(
    ("no", "nos", "nr", "p", "pp", "fig", "figs", "vol", "ch", "chap", "sec", "art", "eq", "abb")
)
_LONGEST_ABBREVIATION = 20


def cut_passages(text: str, fits: Fits) -> list[str]:
    """Cuts a text into passages that fit a text tower.

    Paragraphs (parted by blank lines) are never joined. Sentences of one paragraph go together
    up to :data:`PASSAGE_SIZE`. A sentence that does not fit, or is twice as long, is cut after
    clauses, then between words, then between characters. A short paragraph costs one call of
    ``fits``, any other passage a few.

    Args:
        text: any text.
        fits: what :meth:`~mmsearch.encoders.base.DualEncoder.fits` says.

    Returns:
        The passages in order, none empty, with single blanks for white space. Joined they are the
        text: nothing is lost and nothing is said twice. Each fits, but for a single character that
        does not.
    """
    return [
        passage for paragraph in _paragraphs(text) for passage in _cut(paragraph, fits, _LEVELS)
    ]


def _paragraphs(text: str) -> Iterator[str]:
    lines: list[str] = []
    for line in text.splitlines():
        if words := line.split():
            lines.append(" ".join(words))
        elif lines:
            yield " ".join(lines)
            lines = []
    if lines:
        yield " ".join(lines)


def _cut(text: str, fits: Fits, levels: Sequence[_Level]) -> Iterator[str]:
    """Packs the pieces of the first level; those too long are cut at the next one."""
    if _size(text) <= PASSAGE_SIZE and fits(text):
        yield text
        return
    limits = [*levels[0](text), len(text)]
    sizes = [0, *accumulate(_size(text[a:b]) for a, b in zip([0, *limits], limits, strict=False))]
    start, packed = 0, 0  # of the next passage: its offset, and how many pieces lie before it
    while start < len(text):
        most = bisect_right(sizes, sizes[packed] + PASSAGE_SIZE) - 1
        taken = _most_that_fit(text, start, limits[packed:most], fits)
        packed += max(taken, 1)
        piece = text[start : limits[packed - 1]].strip()
        if taken or len(levels) == 1 or (levels is _LEVELS and _stays_whole(piece, fits)):
            yield piece
        else:
            yield from _cut(piece, fits, levels[1:])
        start = limits[packed - 1]


def _most_that_fit(text: str, start: int, limits: Sequence[int], fits: Fits) -> int:
    """How many of the next pieces fit together; 0 where the first alone does not."""
    good, bad = 0, len(limits) + 1
    trial = len(limits)
    while good + 1 < bad:
        if fits(text[start : limits[trial - 1]].strip()):
            good = trial
        else:
            bad = trial
        trial = (good + bad) // 2
    return good


def _stays_whole(sentence: str, fits: Fits) -> bool:
    """Whether a sentence above the size of a passage is still one."""
    return PASSAGE_SIZE < _size(sentence) <= _LONGEST_SENTENCE and fits(sentence)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text) + 2 * len(_DENSE.findall(text))


_Level: TypeAlias = Callable[[str], Iterator[int]]
"""Offsets at which a text may be cut, ascending, without its start and end."""


def _sentences(text: str) -> Iterator[int]:
    begin = 0
    for match in _SENTENCE_END.finditer(text):
        if match.end() < len(text) and _ends_sentence(text, begin, match):
            begin = match.end()
            yield begin


def _ends_sentence(text: str, begin: int, match: re.Match[str]) -> bool:
    """Whether marks end a sentence, rather than an abbreviation, an initial or a list's number."""
    if text[match.end()] != " ":
        return True  # the marks of scripts without spaces are never anything else
    after = text[match.end() + 1 : match.end() + 8].lstrip(_OPENING)
    if after[:1].islower():
        return False  # "Stop!" he said
    if match[0] != ".":
        return True
    since = max(begin, match.start() - _LONGEST_ABBREVIATION)
    space = text.rfind(" ", since, match.start())
    word = text[space + 1 if space >= 0 else since : match.start()].lstrip(_OPENING)
    if word.isdecimal() and not text[begin : match.start()].replace(word, "", 1).strip():
        return False  # 1. Beat the eggs
    if "." in word or (len(word) == 1 and word.isalpha() and word != "I"):
        return False
    if after[:1].isdecimal() and word.casefold() in _BEFORE_NUMBERS:
        return False
    return word.casefold() not in _ABBREVIATIONS


def _clauses(text: str) -> Iterator[int]:
    return (match.end() for match in _CLAUSE_END.finditer(text) if 0 < match.end() < len(text))


def _words(text: str) -> Iterator[int]:
    return (match.end() for match in re.finditer(" ", text))


def _characters(text: str) -> Iterator[int]:
    """Between any two characters, but not before an accent or a joiner that belongs to one."""
    matches = re.finditer("(?<!\u200d)[^\u0300-\u036f\u200d\ufe0f]", text)
    return (match.start() for match in matches if match.start())


def _stretches(text: str) -> Iterator[int]:
    """Every so many characters, so that megabytes without a blank are not cut one by one."""
    return islice(_characters(text), _STRETCH - 1, None, _STRETCH)


_STRETCH = 50  # characters
_LEVELS: tuple[_Level, ...] = (_sentences, _clauses, _words, _stretches, _characters)
