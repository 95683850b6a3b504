"""Spoken words become sentences of the size of one item.

Recognised speech and transcripts that already exist are cut the same way: at the ends of
sentences and at long pauses. A very short sentence joins a neighbour, for alone it says little;
one that is too long for the text tower is cut at clauses and pauses.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from mmsearch.items import Modality, Passage

_LONG_PAUSE = 2.0  # seconds of silence that end a sentence without a full stop
_SHORT_PAUSE = 0.3  # seconds at which a long sentence may well be cut
_NEAR = 1.5  # seconds between sentences that may be joined
_FEW_WORDS, _FEW_CHARACTERS = 4, 25  # a sentence of fewer joins a neighbour
_MANY_WORDS = 50  # about twenty seconds: more is no longer one thought, whatever the tower takes
_LOOP, _LONGEST_PHRASE = 4, 20  # times in a row; words
_TAIL = 40  # characters at the end of a word that tell what it ends

_CLOSING = "\"'”’»)]}"
_SENTENCE_END = re.compile(rf"[.!?…。！？؟।]+[{re.escape(_CLOSING)}]*$")
_PARTS = re.compile(
    r"\s*[^\s。！？]*[。！？]+[」』”’）】》]*|\s*[^\s。！？]+"
)  # words, or sentences without spaces
_CLAUSE_END = re.compile(rf"(?:[,;:—–、，；：]|--)[{re.escape(_CLOSING)}]*$")
# A full stop behind these, or behind a single letter, ends no sentence.
_ABBREVIATION = re.compile(
    r"(?:^|\W)(?:mr|mrs|ms|dr|prof|st|sr|jr|rev|gen|col|capt|lt|hon|vs|no|vol|fig|ca|approx|e\.g|i\.e"
    r"|cf|inc|ltd|co|bros|dept|est|[^\W\d_](?:\.[^\W\d_])*)\.$",
    re.IGNORECASE,
)
_I_AT_THE_END = re.compile(r"(?:^|\W)[Ii]\.$")  # "so do I." is no initial
# What recognition and subtitles write where nobody speaks.
_NOISE = re.compile(
    r"[\[(*<]\s*(?:blank[_ ]?audio|silence|no (?:speech|audio)|music(?: playing)?|musique|musik"
    r"|applause|laughter|laughs|laughing|noise|static|inaudible|unintelligible|indistinct|beep"
    r"|sound|cough(?:s|ing)?|sighs?|crosstalk|foreign|speaking [a-z ]{1,40}+)\s*[\])*>]|[♪♫♬♩]+",
    re.IGNORECASE,
)
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word.

    Attributes:
        text: with the white space before it, so that joined words are the text in any script.
        start: seconds into the recording.
        end: seconds into the recording.
    """

    text: str
    start: float
    end: float


def spread(text: str, start: float, end: float) -> list[Word]:
    """Cuts a text into words and gives each its share of the time, by its length.

    Args:
        text: what is said from ``start`` to ``end``.
        start: seconds.
        end: seconds.
    """
    parts = _PARTS.findall(" " + " ".join(text.split()))
    each = (end - start) / max(1, sum(map(len, parts)))
    words, at = [], 0
    for part in parts:
        words.append(Word(part, start + at * each, start + (at + len(part)) * each))
        at += len(part)
    return words


def cut_sentences(words: Iterable[Word], fits: Callable[[str], bool]) -> list[Passage]:
    """Cuts what is said into sentences that fit the text tower.

    No word is lost but tags such as ``[Music]``. Times that overlap or go backwards are repaired.

    Args:
        words: in the order in which they are spoken.
        fits: whether the text tower takes a text whole.

    Returns:
        Transcript passages in order, none of which overlap; times are rounded to milliseconds.
    """
    sentences = _sentences(_in_order(_without_noise(list(words))))
    short_enough = [
        piece for sentence in _joined(sentences, fits) for piece in _cut(sentence, fits)
    ]
    return [
        Passage(
            Modality.TRANSCRIPT,
            text,
            start=round(piece[0].start, 3),
            end=round(piece[-1].end, 3),
        )
        for piece in short_enough
        if (text := _text(piece))
    ]


def without_loops(words: Sequence[Word]) -> list[Word]:
    """Keeps one of a phrase that is repeated over and over, as Whisper does when it is stuck.

    People say a thing twice, and a chorus comes back; `_LOOP` times in a row is a loop.
    """
    said = [word.text.strip().casefold() for word in words]
    kept: list[Word] = []
    at = 0
    while at < len(words):
        length, times = _loop_at(said, at)
        kept += words[at : at + length]
        at += length * times
    return kept


def _loop_at(said: Sequence[str], at: int) -> tuple[int, int]:
    """Words in the phrase that begins at a word, and how often it is said in a row."""
    for length in range(1, min(_LONGEST_PHRASE, (len(said) - at) // _LOOP) + 1):
        phrase = said[at : at + length]
        times = 1
        while said[at + times * length : at + (times + 1) * length] == phrase:
            times += 1
        if times >= _LOOP:
            return length, times
    return 1, 1


def _text(words: Sequence[Word]) -> str:
    return _SPACE.sub(" ", "".join(word.text for word in words)).strip()


def _without_noise(words: list[Word]) -> list[Word]:
    """Takes out tags that stand for sounds, which may be several words long."""
    text = "".join(word.text for word in words)
    if not _NOISE.search(text):
        return words
    kept, at = [], 0
    text = _NOISE.sub(lambda tag: "\0" * len(tag[0]), text.replace("\0", " "))
    for word in words:
        end = at + len(word.text)
        left = text[at:end].replace("\0", "")
        if left.strip():
            kept.append(replace(word, text=left))
        at = end
    return kept


def _in_order(words: Iterable[Word]) -> list[Word]:
    """Repairs times: finite, none before the end of the word before it."""
    ordered: list[Word] = []
    last = 0.0
    for word in words:
        if not word.text.strip():
            continue
        start = max(last, word.start) if math.isfinite(word.start) else last
        end = max(start, word.end) if math.isfinite(word.end) else start
        ordered.append(Word(word.text, start, end))
        last = end
    return ordered


def _sentences(words: Sequence[Word]) -> list[list[Word]]:
    sentences: list[list[Word]] = []
    is_open = False
    for word in words:
        if is_open and word.start - sentences[-1][-1].end <= _LONG_PAUSE:
            sentences[-1].append(word)
        else:
            sentences.append([word])
        is_open = not _ends_sentence(word.text.strip())
    return sentences


def _ends_sentence(word: str) -> bool:
    word = word[-_TAIL:]
    if not _SENTENCE_END.search(word):
        return False
    return not _ABBREVIATION.search(word) or _I_AT_THE_END.search(word) is not None


def _joined(sentences: list[list[Word]], fits: Callable[[str], bool]) -> list[list[Word]]:
    """Joins each very short sentence to the nearer of its neighbours, where both fit."""
    joined: list[list[Word]] = []
    waiting = list(reversed(sentences))
    while waiting:
        sentence = waiting.pop()
        if len(sentence) < _FEW_WORDS and len(_text(sentence)) < _FEW_CHARACTERS:
            before = sentence[0].start - joined[-1][-1].end if joined else math.inf
            after = waiting[-1][0].start - sentence[-1].end if waiting else math.inf
            if after <= min(before, _NEAR) and _takes(sentence + waiting[-1], fits):
                waiting.append(sentence + waiting.pop())
                continue
            if before <= _NEAR and _takes(joined[-1] + sentence, fits):
                joined[-1] = joined[-1] + sentence
                continue
        joined.append(sentence)
    return joined


def _takes(words: Sequence[Word], fits: Callable[[str], bool]) -> bool:
    return len(words) <= _MANY_WORDS and fits(_text(words))


def _cut(words: list[Word], fits: Callable[[str], bool]) -> list[list[Word]]:
    """Halves a sentence until each piece fits."""
    pieces: list[list[Word]] = []
    waiting = [words]
    while waiting:
        piece = waiting.pop()
        if _takes(piece, fits):
            pieces.append(piece)
        elif len(piece) > 1:
            at = _best_cut(piece)
            waiting += [piece[at:], piece[:at]]
        elif len(piece[0].text.strip()) > 1:
            waiting += [[half] for half in reversed(_halves(piece[0]))]
        else:
            pieces.append(piece)  # one character; there is nothing left to cut
    return pieces


def _best_cut(words: Sequence[Word]) -> int:
    """Where to cut: near the middle, rather behind a clause or in a pause."""

    def cost(at: int) -> float:
        off_centre = abs(at / len(words) - 0.5)
        pause = words[at].start - words[at - 1].end
        is_clause = _CLAUSE_END.search(words[at - 1].text.strip()[-_TAIL:]) is not None
        return off_centre - 0.25 * is_clause - 0.2 * min(1.0, pause / _SHORT_PAUSE)

    return min(range(1, len(words)), key=cost)


def _halves(word: Word) -> tuple[Word, Word]:
    """Cuts a word, for instance a sentence of a script without spaces."""
    text = word.text.strip()
    at = len(text) // 2
    middle = word.start + (word.end - word.start) * at / len(text)
    return Word(f" {text[:at]}", word.start, middle), Word(text[at:], middle, word.end)
