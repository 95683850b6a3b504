"""The reranker protocol: what every reranker is to the rest of mmsearch.

The first stage compares two vectors a candidate; a reranker may open the photo, look at its
regions and every word of the query, or ask a bigger model. It tells scores, and
`mmsearch.search.rerank.reorder` decides what becomes of them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Protocol, TypeAlias, Union, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import MediaError
from mmsearch.items import Modality
from mmsearch.search.normalise import Medium

if TYPE_CHECKING:
    from PIL.Image import Image

_log = logging.getLogger(__name__)

Asked: TypeAlias = Union[str, "Image"]
"""A query as a reranker takes it: a text without marks of phrases, or a Pillow image, mode RGB."""

Scores: TypeAlias = NDArray[np.float64]
"""float64, shape (candidates,): finite, higher is better; NaN where the reranker cannot judge."""


class Opener(Protocol):
    """Reads a candidate's picture."""

    def __call__(self, min_size: tuple[int, int] | None = None) -> Image:
        """Decodes the picture: mode RGB, upright.

        Args:
            min_size: width and height in pixels that it is about to be scaled down to: it may
                then be smaller than the photo, which decodes several times faster, but each side
                keeps at least the longer one of these. None: at full resolution.

        Raises:
            MediaError: it is gone, cannot be read, or the candidate is a text.
        """


@dataclass(frozen=True, slots=True)
class Candidate:
    """What the first stage found, for the second to judge.

    Attributes:
        key: names the content: candidates with equal keys show or say the same, so that what was
            computed for one can be kept for the other.
        modality: what kind of item it is.
        similarity: inner product of its and the query's embeddings; NaN where it has none.
        score: what the first stage ordered it by; comparable only within one query.
        text: what is written or said, where it is a text.
        open: reads the picture, where it is one.
        path: the file that it is in, for what is kept by the file's content; None where it is in
            none.
        time: where in the file the picture is, in seconds; 0 for a photo.
        vector: its stored embedding, float16, shape (dim,), where it has one.
    """

    key: Hashable
    modality: Modality
    similarity: float
    score: float
    text: str | None
    open: Opener
    path: Path | None = None
    time: float = 0.0
    vector: NDArray[np.float16] | None = None


class Deadline:
    """When to stop: at a moment, or when told to from another thread.

    Args:
        seconds: from now on; infinity for a deadline that only `cancel` brings about.
    """

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds
        self._cancelled = Event()

    @property
    def remaining(self) -> float:
        """Seconds that are left, 0 once it is passed."""
        return 0.0 if self._cancelled.is_set() else max(0.0, self._at - time.monotonic())

    @property
    def passed(self) -> bool:
        """Whether to stop."""
        return self.remaining <= 0

    def cancel(self) -> None:
        """Passes the deadline now."""
        self._cancelled.set()


@runtime_checkable
class Reranker(Protocol):
    """Scores candidates of one query with more work for each than the first stage has.

    Models are loaded when first used. Implementations are safe to call from several threads.
    """

    @property
    def name(self) -> str:
        """What ``--rerank`` takes."""

    @property
    def depth(self) -> int:
        """How many of the best candidates to look at."""

    def takes(self, asked: Medium, modality: Modality) -> bool:
        """Whether it can judge candidates of a modality for queries of a medium at all."""

    def scores(
        self, query: Asked, candidates: Sequence[Candidate], *, deadline: Deadline | None = None
    ) -> Scores:
        """Judges candidates. A score may depend on the first stage's.

        Scores are compared with each other alone, within this call, those of pictures with those
        of pictures and those of texts with those of texts; they need no scale. What
        cannot be judged, because its file is gone or the deadline has passed, is NaN: nothing is
        raised for a single candidate.

        Args:
            query: a text or an image, of a medium that it takes.
            candidates: of modalities that it takes, best first; may be none.
            deadline: looked at between batches; where it passes, the rest is NaN.

        Returns:
            float64, shape (len(candidates),).
        """


def medium_of(query: Asked) -> Medium:
    """The medium of a query."""
    return Medium.TEXT if isinstance(query, str) else Medium.PICTURE


def score_in_batches(
    candidates: Sequence[Candidate],
    judge: Callable[[Sequence[Candidate]], Scores],
    *,
    size: int,
    deadline: Deadline | None = None,
) -> Scores:
    """Judges the best candidates first, a batch at a time, until the deadline.

    A batch that would not be through in time, by the quickest one before it, is not begun.

    Args:
        candidates: best first.
        judge: scores of one batch, NaN where it cannot tell.
        size: of a batch.
        deadline: looked at before each batch.

    Returns:
        float64, shape (len(candidates),); NaN from where the deadline passed.
    """
    scores = np.full(len(candidates), np.nan)
    quickest = 0.0
    for start in range(0, len(candidates), size):
        if deadline is not None and deadline.remaining <= quickest:
            _log.info("The reranker judged %d of %d candidates in time", start, len(candidates))
            break
        began = time.monotonic()
        batch = candidates[start : start + size]
        scores[start : start + len(batch)] = judge(batch)
        took = time.monotonic() - began
        quickest = min(quickest, took) if start else took
    return scores


def open_or_none(candidate: Candidate, min_size: tuple[int, int] | None = None) -> Image | None:
    """A candidate's picture; None, and a notice, where it cannot be read."""
    try:
        return candidate.open(min_size)
    except MediaError as error:
        _log.info("A candidate is not reranked: %s", error)
        return None
