"""Lets several threads use one encoder: texts in batches, pictures one call at a time.

A GPU encodes eight short texts in hardly more time than one; a processor takes two thirds of the
time for each. Nobody waits for a batch to fill: the first thread encodes what there is, and what
arrives meanwhile is the next batch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.encoders.base import DelegatingEncoder, Embeddings, Pixels, Regions
from mmsearch.search.remembered import RememberedTexts

if TYPE_CHECKING:
    from mmsearch.encoders.base import DualEncoder

LARGEST = 64
"""Texts of one batch; those of a caller who has more are encoded in several."""


class InTurn(DelegatingEncoder):
    """An encoder that several threads may call; see `mmsearch.encoders.base.DualEncoder`.

    Args:
        encoder: safe from one thread at a time for each of its towers.
        together: encodes its texts.
        pictures: held while it encodes pictures.
    """

    def __init__(
        self, encoder: DualEncoder, together: TextsTogether, pictures: threading.Lock
    ) -> None:
        self._encoder = encoder
        self._together = together
        self._pictures = pictures

    @property
    def base(self) -> DualEncoder:
        """The encoder that is called in turn."""
        return self._encoder

    def encode_images(self, pixels: Pixels) -> Embeddings:
        """Embeds images when nobody else does."""
        with self._pictures:
            return super().encode_images(pixels)

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Embeds texts with those that others ask for; what was asked for lately is at hand."""
        return self._together.embed(self._encoder, texts)

    def encode_regions(self, pixels: Pixels) -> Regions | None:
        """Embeds the regions of an image when nobody else does."""
        with self._pictures:
            return super().encode_regions(pixels)


@dataclass(slots=True)
class _Asked:
    """The texts of one caller.

    Attributes:
        encoder: for them.
        texts: to encode.
        settled: set when there is a result, or it is this caller's turn to encode.
        result: their embeddings, or what was raised.
    """

    encoder: DualEncoder
    texts: Sequence[str]
    settled: threading.Event = field(default_factory=threading.Event)
    result: Embeddings | BaseException | None = None


class TextsTogether:
    """Puts the texts of several threads into one call of their encoder.

    Attributes:
        seen: told the size of each batch.
    """

    def __init__(self) -> None:
        self.seen: Callable[[int], None] = lambda size: None
        self._lock = threading.Lock()
        self._waiting: list[_Asked] = []
        self._is_encoding = False
        self._pictures = threading.Lock()
        self._remembered = RememberedTexts()

    def of(self, encoder: DualEncoder) -> InTurn:
        """The encoder as several threads may call it."""
        return InTurn(encoder, self, self._pictures)

    def embed(self, encoder: DualEncoder, texts: Sequence[str]) -> Embeddings:
        """The embeddings of texts, of which only those are encoded that are not remembered.

        Raises:
            as `encode`.
        """
        return self._remembered.embed(encoder, texts, partial(self.encode, encoder))

    def encode(self, encoder: DualEncoder, texts: Sequence[str]) -> Embeddings:
        """The embeddings of texts, as the encoder gives them.

        Raises:
            what the encoder raises, in every thread whose texts were in the batch.
        """
        if len(texts) > LARGEST:
            firsts = range(0, len(texts), LARGEST)
            return np.concatenate([self.encode(encoder, texts[at:][:LARGEST]) for at in firsts])
        mine = _Asked(encoder, texts)
        with self._lock:
            self._waiting.append(mine)
            leads, self._is_encoding = not self._is_encoding, True
        if not leads:
            mine.settled.wait()
        if mine.result is None:
            self._encode_waiting()
        if isinstance(mine.result, BaseException):
            raise mine.result
        assert mine.result is not None
        return mine.result

    def _encode_waiting(self) -> None:
        """Encodes what waits, the caller's own texts first; then it is the next one's turn."""
        try:
            self._settle(self._taken())
        finally:
            with self._lock:
                following = self._waiting[0] if self._waiting else None
                self._is_encoding = following is not None
            if following is not None:
                following.settled.set()

    def _taken(self) -> list[_Asked]:
        """The next batch: of one encoder, in the order they came."""
        with self._lock:
            count = size = 0
            for asked in self._waiting:
                fits = size + len(asked.texts) <= LARGEST
                if count and not (fits and asked.encoder is self._waiting[0].encoder):
                    break
                count, size = count + 1, size + len(asked.texts)
            batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    def _settle(self, batch: Sequence[_Asked]) -> None:
        texts = [text for asked in batch for text in asked.texts]
        try:
            found = batch[0].encoder.encode_texts(texts)
            self.seen(len(texts))
        except BaseException as error:
            for asked in batch:
                asked.result = error
        else:
            at = 0
            for asked in batch:
                asked.result = found[at : at + len(asked.texts)]
                at += len(asked.texts)
        for asked in batch:
            asked.settled.set()
