"""``auto``: what helps on the encoder at hand, as far as it fits into the time.

What helps is known from measurements, ours or published ones, and is tried best first:

    text, pictures    cascade over a preset whose published recall is above the encoder's, where
                      its weights are cached; regions, where the encoder is ``embedded``
    picture, pictures expansion
    picture, texts    regions, where the encoder is ``embedded``

One that could not even judge a few candidates in the time that is left is passed over. How long
they take to load and for each candidate is measured whenever one runs, and kept for the machine in
``rerank/paces.json`` in the folder of caches. ``docs/rerank.md`` has the measurements.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mmsearch.encoders import presets
from mmsearch.encoders.base import DualEncoder
from mmsearch.errors import RerankerError
from mmsearch.items import Modality
from mmsearch.search.normalise import Medium
from mmsearch.search.rerank.base import (
    Asked,
    Candidate,
    Deadline,
    Reranker,
    Scores,
    medium_of,
)

BUDGET = 1.0
"""Seconds that it takes where nobody says how many."""

_FEWEST = 2
"""Fewer candidates cannot change places."""

_DOUBT = 0.9  # of the time that was measured is expected, each time that it was too long

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a reranker is on this machine.

    Attributes:
        load: seconds until it can begin.
        each: seconds for a candidate, on the average of those that were judged the last time.
    """

    load: float
    each: float


# What to expect before anything was measured: a small laptop.
_EXPECTED = {"expansion": Pace(0.0, 0.0), "regions": Pace(0.2, 0.1), "cascade": Pace(8.0, 0.1)}


def choices(encoder: DualEncoder, asked: Medium, found: Medium) -> tuple[str, ...]:
    """What helps, by measurement: names of rerankers, best first.

    Args:
        encoder: the index's.
        asked: the query's medium.
        found: the candidates' medium.
    """
    is_embedded = encoder.identity.spec.partition(":")[0] == "embedded"
    if asked is found is Medium.PICTURE:
        return ("expansion",)
    if asked is found:
        return ()
    names = ("regions",) if is_embedded else ()
    if asked is Medium.TEXT:
        names = (*_better_presets(encoder, is_embedded=is_embedded), *names)
    return names


def _better_presets(encoder: DualEncoder, *, is_embedded: bool) -> tuple[str, ...]:
    """Cascades over presets that find more than the encoder does, as far as that is published."""
    known = presets.PRESETS.values()
    own = next((one.recall for one in known if one.spec == encoder.identity.spec), None)
    if own is None and not is_embedded:
        return ()
    better = [one for one in known if one.recall > (own or 0.0) and presets.is_cached(one)]
    better.sort(key=lambda one: -one.recall)
    return tuple(f"cascade:{one.name}" for one in better)


class Auto:
    """The best reranker that fits.

    Args:
        encoder: the index's.
        other: gives rerankers by name.
        paces: the file that keeps how fast they are here; None for none.
        choose: as `choices`.
    """

    name = "auto"
    depth = 100

    def __init__(
        self,
        encoder: DualEncoder,
        other: Callable[[str], Reranker],
        *,
        paces: Path | None = None,
        choose: Callable[[DualEncoder, Medium, Medium], Sequence[str]] = choices,
    ) -> None:
        self._other = other
        # Now, as it may take longer to look for weights than a query has time.
        self._choices = {
            (asked, found): tuple(choose(encoder, asked, found))
            for asked in Medium
            for found in Medium
        }
        self._paces = _Paces(paces)
        self._loaded: set[str] = set()

    def takes(self, asked: Medium, modality: Modality) -> bool:
        """What one of its choices takes."""
        return bool(self._choices[asked, Medium.of(modality)])

    def scores(
        self, query: Asked, candidates: Sequence[Candidate], *, deadline: Deadline | None = None
    ) -> Scores:
        """Judges candidates; see `mmsearch.search.rerank.base.Reranker`."""
        deadline = deadline or Deadline(BUDGET)
        scores = np.full(len(candidates), np.nan)
        for medium in Medium:
            among = [at for at, one in enumerate(candidates) if one.modality in medium.modalities]
            if among:
                chosen = [candidates[at] for at in among]
                scores[among] = self._judge(query, medium, chosen, deadline)
        return scores

    def _judge(
        self, query: Asked, found: Medium, candidates: Sequence[Candidate], deadline: Deadline
    ) -> Scores:
        """Scores of candidates of one medium by the first choice that fits."""
        for name in self._choices[medium_of(query), found]:
            pace = self._paces.of(name)
            load = 0.0 if name in self._loaded else pace.load
            if load + _FEWEST * pace.each > deadline.remaining:
                _log.info("%s would take too long and is passed over", name)
                self._paces.doubt(name)
                continue
            try:
                return self._run(name, query, candidates, deadline)
            except RerankerError as error:  # its model is gone, for instance
                _log.info("%s cannot be used: %s", name, error)
        return np.full(len(candidates), np.nan)

    def _run(
        self, name: str, query: Asked, candidates: Sequence[Candidate], deadline: Deadline
    ) -> Scores:
        began = time.monotonic()
        reranker = self._other(name)
        loaded = time.monotonic()
        scores = np.full(len(candidates), np.nan)
        best = candidates[: reranker.depth]
        scores[: len(best)] = reranker.scores(query, best, deadline=deadline)
        judged = int(np.count_nonzero(~np.isnan(scores)))
        if judged:
            each = (time.monotonic() - loaded) / judged
            first = None if name in self._loaded else loaded - began
            self._paces.learn(name, first, each)
        self._loaded.add(name)
        _log.info("%s judged %d of %d candidates", name, judged, len(candidates))
        return scores


class _Paces:
    """How fast rerankers are on this machine, kept in a file."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[str, Pace] = {}
        try:
            stored = {} if path is None else json.loads(path.read_text(encoding="utf-8"))
            self._known = {
                name: Pace(float(pace["load"]), float(pace["each"]))
                for name, pace in stored.items()
            }
        except (OSError, ValueError, TypeError, AttributeError, KeyError):  # none yet, or damaged
            self._known = {}

    def of(self, name: str) -> Pace:
        """What is known of a reranker, or expected."""
        return self._known.get(name) or _EXPECTED.get(name.partition(":")[0], Pace(1.0, 0.1))

    def learn(self, name: str, load: float | None, each: float) -> None:
        """Keeps what was measured just now; None where nothing was loaded."""
        self._keep(name, Pace(self.of(name).load if load is None else load, each))

    def doubt(self, name: str) -> None:
        """Expects a little less time for judging, so that one busy moment is not held for ever."""
        pace = self.of(name)
        self._keep(name, Pace(pace.load, _DOUBT * pace.each))

    def _keep(self, name: str, pace: Pace) -> None:
        self._known[name] = pace
        if self._path is not None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                content = {name: asdict(pace) for name, pace in self._known.items()}
                self._path.write_text(json.dumps(content, indent=2), encoding="utf-8")
            except OSError as error:
                _log.info("Paces are not kept in %s: %s", self._path, error)
