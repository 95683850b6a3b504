"""CLIP's tokenizer: byte pairs, merged in the order of a list of merges.

Written anew, to read nothing that a query does not need: no vocabulary, since the id of a merged
token follows from the place of its merge, and for plain English neither ``ftfy`` nor ``regex``.

Source: Sennrich et al., Neural machine translation of rare words with subword units,
arXiv:1508.07909; Radford et al., Learning transferable visual models from natural language
supervision, arXiv:2103.00020.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

from mmsearch.encoders.text_onnx.clean import is_plain, lower
from mmsearch.errors import WeightsError

_MERGES = 48894
_BYTES = 256
_START = 2 * _BYTES + _MERGES
_END = _START + 1
_SPECIAL = {"<start_of_text>": _START, "<end_of_text>": _END}
_PARTS = "<start_of_text>|<end_of_text>|'s|'t|'re|'ve|'m|'ll|'d|"
_PLAIN = re.compile(_PARTS + r"[a-z]+|[0-9]|[^\sa-z0-9]+")
_WORD_END = "</w>"


class ClipTokenizer:
    """Turns texts into CLIP's tokens.

    Attributes:
        start: id of the token that opens a text.
        end: id of the token that closes it, higher than all others.
    """

    start = _START
    end = _END

    def __init__(self, merges: Path) -> None:
        """Reads the merges, as `write_merges` leaves them.

        Raises:
            WeightsError: the file is not there or is damaged.
        """
        try:
            lines = merges.read_text(encoding="utf-8").split("\n")
        except (OSError, ValueError) as error:
            raise WeightsError(f"The tokenizer {merges} cannot be read: {error}") from error
        if len(lines) != _MERGES:
            raise WeightsError(f"The tokenizer {merges} is damaged: {len(lines)} merges.")
        self._ranks = dict(zip(lines, range(_MERGES), strict=True))
        self._known: dict[str, list[int]] = {}

    def ids(self, text: str) -> list[int]:
        """The tokens of a text, without those that open and close it, and without cutting."""
        cleaned = lower(text)
        return [one for part in _splitter(cleaned)(cleaned) for one in self._ids_of(part)]

    def _ids_of(self, part: str) -> Sequence[int]:
        if part in _SPECIAL:
            return (_SPECIAL[part],)
        if part not in self._known:
            self._known[part] = self._merged(part)
        return self._known[part]

    def _merged(self, part: str) -> list[int]:
        codes = _codes()
        symbols = [codes[byte] for byte in part.encode()]
        symbols[-1] = (symbols[-1][0] + _WORD_END, symbols[-1][1] + _BYTES)
        while len(symbols) > 1:
            ranks = self._ranks
            found = [ranks.get(f"{one} {two}", _MERGES) for (one, _), (two, _) in pairwise(symbols)]
            best = min(found)
            if best == _MERGES:
                break
            symbols = _joined(symbols, found, best)
        return [code for _, code in symbols]


def _joined(
    symbols: Sequence[tuple[str, int]], ranks: Sequence[int], rank: int
) -> list[tuple[str, int]]:
    """Symbols with every pair of one rank made one, from the left."""
    joined = []
    at = 0
    while at < len(symbols):
        if at < len(ranks) and ranks[at] == rank:
            joined.append((symbols[at][0] + symbols[at + 1][0], 2 * _BYTES + rank))
            at += 2
        else:
            joined.append(symbols[at])
            at += 1
    return joined


def write_merges(vocabulary: Path, merges: Path) -> None:
    """Writes what a query needs of open_clip's compressed vocabulary.

    Args:
        vocabulary: ``bpe_simple_vocab_16e6.txt.gz`` of open_clip.
        merges: where to; one merge a line, in the order that they are made in.
    """
    with gzip.open(vocabulary, "rt", encoding="utf-8") as file:
        lines = file.read().split("\n")
    chosen = [" ".join(line.split()) for line in lines[1 : _MERGES + 1]]
    merges.write_bytes("\n".join(chosen).encode())


def _splitter(cleaned: str) -> Callable[[str], list[str]]:
    """Finds words, digits and runs of signs."""
    return _PLAIN.findall if is_plain(cleaned) else _any_language()


@cache
def _any_language() -> Callable[[str], list[str]]:
    import regex

    pattern = _PARTS + r"[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    find: Callable[[str], list[str]] = regex.compile(pattern, regex.IGNORECASE).findall
    return find


@cache
def _codes() -> list[tuple[str, int]]:
    """What stands for each byte in merges, and its token where it does not end a word."""
    shown = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(_BYTES) if byte not in shown]
    codes: list[tuple[str, int]] = [("", 0)] * _BYTES
    for code, byte in enumerate((*shown, *hidden)):
        mark = chr(byte) if code < len(shown) else chr(_BYTES + code - len(shown))
        codes[byte] = (mark, code)
    return codes
