"""Rerankers whose model looks at a picture and a text together, pair by pair."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from mmsearch.encoders.base import ImageTransform, Pixels
from mmsearch.items import Modality
from mmsearch.search.normalise import Medium
from mmsearch.search.rerank.base import (
    Asked,
    Candidate,
    Deadline,
    Scores,
    open_or_none,
    score_in_batches,
)

if TYPE_CHECKING:
    import torch

_BATCH = 8
_SEEN = 256
"""Of so many pictures a reranker remembers what it saw: up to a megabyte each."""


class PairModel(Protocol):
    """Says how well a text goes with a picture."""

    @property
    def transform(self) -> ImageTransform:
        """Makes the pixels that ``see`` takes."""

    def see(self, pixels: Pixels) -> torch.Tensor:
        """What the model sees in pictures, whatever the text.

        Args:
            pixels: uint8 RGB, shape (n, height, width, 3), at least one picture.

        Returns:
            shape (n, tokens, width).
        """

    def match(self, seen: torch.Tensor, texts: Sequence[str]) -> Scores:
        """How well each text goes with its picture.

        Args:
            seen: shape (n, tokens, width), as ``see`` gives it.
            texts: n of them.

        Returns:
            float64, shape (n,), higher is better.
        """


class PairReranker:
    """Judges pictures for a text, and texts for a picture.

    What the model saw in the last pictures is remembered by the candidates' keys, since most of
    the work goes there.

    Args:
        model: used by one thread at a time.
        name: what ``--rerank`` took.
    """

    depth = 20

    def __init__(self, model: PairModel, *, name: str) -> None:
        self.name = name
        self._model = model
        self._seen: OrderedDict[Hashable, torch.Tensor] = OrderedDict()
        self._turn = threading.Lock()

    def takes(self, asked: Medium, modality: Modality) -> bool:
        """Items of the other medium."""
        return modality not in asked.modalities

    def scores(
        self, query: Asked, candidates: Sequence[Candidate], *, deadline: Deadline | None = None
    ) -> Scores:
        """Judges candidates; see `mmsearch.search.rerank.base.Reranker`."""
        import torch

        with torch.inference_mode():
            if isinstance(query, str):
                return self._judge_pictures(query, candidates, deadline)
            return self._judge_texts(self._look(query), candidates, deadline)

    def _judge_pictures(
        self, text: str, candidates: Sequence[Candidate], deadline: Deadline | None
    ) -> Scores:
        import torch

        def judge(batch: Sequence[Candidate]) -> Scores:
            scores = np.full(len(batch), np.nan)
            with self._turn:
                seen = self._see(batch)
                if seen:
                    pictures = torch.stack(list(seen.values()))
                    scores[list(seen)] = self._model.match(pictures, [text] * len(seen))
            return scores

        return score_in_batches(candidates, judge, size=_BATCH, deadline=deadline)

    def _judge_texts(
        self, seen: torch.Tensor, candidates: Sequence[Candidate], deadline: Deadline | None
    ) -> Scores:
        def judge(batch: Sequence[Candidate]) -> Scores:
            texts = [one.text or "" for one in batch]
            with self._turn:
                return self._model.match(seen.expand(len(texts), -1, -1), texts)

        return score_in_batches(candidates, judge, size=_BATCH, deadline=deadline)

    def _look(self, query: Asked) -> torch.Tensor:
        if isinstance(query, str):
            raise TypeError("a text cannot be looked at")
        with self._turn:
            return self._model.see(self._model.transform(query)[np.newaxis])

    def _see(self, batch: Sequence[Candidate]) -> dict[int, torch.Tensor]:
        """What the model sees in pictures, by their places; those that cannot be read left out."""
        transform = self._model.transform
        size = (transform.width, transform.height)
        new = {
            at: transform(image)
            for at, one in enumerate(batch)
            if one.key not in self._seen and (image := open_or_none(one, size)) is not None
        }
        if new:
            for at, row in zip(new, self._model.see(np.stack(list(new.values()))), strict=True):
                self._seen[batch[at].key] = row
        found = {}
        for at, one in enumerate(batch):
            if one.key in self._seen:
                self._seen.move_to_end(one.key)
                found[at] = self._seen[one.key]
        while len(self._seen) > _SEEN:
            self._seen.popitem(last=False)
        return found
