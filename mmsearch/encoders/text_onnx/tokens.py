"""From texts to a text tower's tokens, as the open_clip model's own tokenizer makes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mmsearch.encoders.text_onnx.bpe import ClipTokenizer
from mmsearch.encoders.text_onnx.clean import WAYS
from mmsearch.errors import WeightsError

MERGES = "merges.txt"
TOKENIZER = "tokenizer.json"

Tokens = NDArray[np.int64]
"""int64, shape (n, tokens)."""


class TextTokens(Protocol):
    """Makes the tokens that one text tower takes."""

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Tokens of texts; what is too long is cut."""

    def fits(self, text: str) -> bool:
        """Whether a text keeps all of its tokens."""


def load_tokens(folder: Path, description: dict[str, Any]) -> TextTokens:
    """Loads what `mmsearch.encoders.text_onnx.export` wrote.

    Args:
        folder: holds the tokenizer's file.
        description: the rest, of the tower's description.

    Raises:
        WeightsError: the file is not there or cannot be read.
    """
    length = int(description["length"])
    if description["kind"] == "clip":
        return ClipTokens(folder / MERGES, length, short=bool(description["short"]))
    way, separator = description["clean"], description["separator"]
    return HubTokens(folder / TOKENIZER, length, way=way, separator=separator)


class ClipTokens:
    """CLIP's own tokenizer.

    Args:
        merges: see `ClipTokenizer`.
        length: of the tower's context, tokens.
        short: texts need not be filled up to that length: for towers in which no token sees those
            after it.

    Raises:
        WeightsError: the merges cannot be read.
    """

    def __init__(self, merges: Path, length: int, *, short: bool) -> None:
        self._tokenizer = ClipTokenizer(merges)
        self._length = length
        self._short = short

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Tokens of texts; what is too long is cut."""
        start, end, room = self._tokenizer.start, self._tokenizer.end, self._length - 2
        rows = [
            [start, *self._tokenizer.ids(without_surrogates(text))[:room], end] for text in texts
        ]
        longest = max(map(len, rows), default=2) if self._short else self._length
        tokens = np.zeros((len(rows), longest), dtype=np.int64)
        for row, ids in zip(tokens, rows, strict=True):
            row[: len(ids)] = ids
        return tokens

    def fits(self, text: str) -> bool:
        """Whether a text keeps all of its tokens."""
        return len(self._tokenizer.ids(without_surrogates(text))) <= self._length - 2


class HubTokens:
    """A tokenizer from the hub, run by the library ``tokenizers``.

    Args:
        path: its ``tokenizer.json``, which says how it cuts and fills up.
        length: of the tower's context, tokens.
        way: how texts are cleaned before: see `WAYS`.
        separator: the token that the tower takes as filling; None for none.

    Raises:
        WeightsError: the file cannot be read.
    """

    def __init__(self, path: Path, length: int, *, way: str, separator: int | None) -> None:
        import tokenizers

        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # tokenizers raises plain Exception
            raise WeightsError(f"The tokenizer {path} cannot be loaded: {error}") from error
        self._clean = WAYS[way]
        self._length = length
        self._separator = separator

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Tokens of texts; what is too long is cut."""
        cleaned = [self._clean(without_surrogates(text)) for text in texts]
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch(cleaned)]
        tokens = np.array(rows, dtype=np.int64).reshape(len(rows), self._length)
        if self._separator is not None:
            tokens[tokens == self._separator] = 0
        return tokens

    def fits(self, text: str) -> bool:
        """Whether a text keeps all of its tokens."""
        cleaned = self._clean(without_surrogates(text))
        return not self._tokenizer.encode(cleaned).overflowing


def without_surrogates(text: str) -> str:
    """File names may hold lone surrogates, which no tokenizer takes."""
    return text.encode("utf-8", "replace").decode("utf-8")
