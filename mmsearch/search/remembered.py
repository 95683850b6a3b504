"""Remembers what texts were embedded to: people page, filter and ask again with the same words."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.encoders.base import Embeddings

if TYPE_CHECKING:
    from mmsearch.encoders.base import DualEncoder

MOST = 1024
"""Texts that are remembered: 2 MB of embeddings of 512 dimensions."""

LONGEST = 512
"""Characters of a text that is remembered; longer ones are no queries that people type."""


class RememberedTexts:
    """Embeddings of the texts that were asked for last, of one encoder at a time.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._encoder: DualEncoder | None = None
        self._rows: OrderedDict[str, Embeddings] = OrderedDict()  # the last used last

    def embed(
        self,
        encoder: DualEncoder,
        texts: Sequence[str],
        encode: Callable[[Sequence[str]], Embeddings],
    ) -> Embeddings:
        """The embeddings of texts, float32, shape (n, dim).

        Args:
            encoder: whose embeddings these are; what another one made is forgotten.
            texts: to embed.
            encode: embeds those that are not remembered.
        """
        if not texts:
            return encode(texts)
        found = self._known(encoder, texts)
        unknown = [text for text in dict.fromkeys(texts) if text not in found]
        if unknown:
            found.update(zip(unknown, encode(unknown), strict=True))
            self._keep(encoder, ((text, found[text]) for text in unknown))
        return np.stack([found[text] for text in texts])

    def _known(self, encoder: DualEncoder, texts: Iterable[str]) -> dict[str, Embeddings]:
        with self._turn:
            if encoder is not self._encoder:
                self._encoder = encoder
                self._rows.clear()
            found = {text: self._rows[text] for text in texts if text in self._rows}
            for text in found:
                self._rows.move_to_end(text)
        return found

    def _keep(self, encoder: DualEncoder, rows: Iterable[tuple[str, Embeddings]]) -> None:
        with self._turn:
            if encoder is not self._encoder:  # the index was re-encoded meanwhile
                return
            for text, row in rows:
                if len(text) <= LONGEST:
                    self._rows[text] = row.copy()  # without the batch that it is a part of
            while len(self._rows) > MOST:
                self._rows.popitem(last=False)
