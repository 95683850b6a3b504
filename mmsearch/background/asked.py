"""What `mmsearch query` asks, and what it is answered, in this process or by a server."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsearch.items import Hit, MediaInfo, Modality

if TYPE_CHECKING:
    from mmsearch.library import Index


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A search of the command line: `mmsearch.Index.search` says what the fields mean.

    Attributes:
        everything: whether hits that hardly answer are shown too.
    """

    text: str | None
    k: int
    everything: bool = False
    modality: str | None = None
    folder: str | None = None
    grouped: bool = True
    rerank: str | None = None
    budget: float | None = None
    fold: bool = True
    diverse: bool = False
    more_like: tuple[str, ...] = ()
    less_like: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Asked:
        """What `as_json` made plain values of.

        Raises:
            TypeError: the values are others.
        """
        likes = {name: tuple(values.get(name, ())) for name in ("more_like", "less_like")}
        return cls(**{**values, **likes})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search found.

    Attributes:
        shown: hits that are likely answers, or all of them.
        hidden: how many less likely ones there are among the best.
        encoder: id of the index's encoder.
        seconds: that it took.
    """

    shown: list[Hit]
    hidden: int
    encoder: str
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Plain values; nothing is rounded."""
        return {
            "shown": [_hit_as_json(hit) for hit in self.shown],
            "hidden": self.hidden,
            "encoder": self.encoder,
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Answer:
        """What `as_json` made plain values of.

        Raises:
            TypeError, ValueError, KeyError: the values are others.
        """
        shown = [_hit_from_json(hit) for hit in values["shown"]]
        return cls(shown, int(values["hidden"]), str(values["encoder"]), float(values["seconds"]))


def answer(index: Index, asked: Asked, *, files: bool) -> Answer:
    """Searches an index, in this process.

    Args:
        index: the index.
        asked: what for.
        files: whether names of image files in the text stand for the pictures.

    Raises:
        MmsearchError: as `mmsearch.Index.search`.
    """
    from mmsearch.search.calibrate.cut import SPARE, fill

    started = time.perf_counter()
    # Diverse hits are chosen among likely ones already.
    spare = 0 if asked.everything or asked.diverse else SPARE
    hits = index.search(
        asked.text,
        files=files,
        modality=asked.modality,
        folder=asked.folder,
        k=asked.k + spare,
        grouped=asked.grouped,
        rerank=asked.rerank,
        budget=asked.budget,
        fold=asked.fold,
        diverse=asked.diverse,
        more_like=asked.more_like,
        less_like=asked.less_like,
    )
    seconds = time.perf_counter() - started
    shown, hidden = (hits, []) if asked.everything else fill(hits, asked.k)
    return Answer(list(shown), len(hidden), index.encoder_id, seconds)


def _hit_as_json(hit: Hit) -> dict[str, Any]:
    values = asdict(replace(hit, others=(), copies=()))
    taken = hit.info.captured_at
    values["info"]["captured_at"] = None if taken is None else taken.isoformat()
    return {
        **values,
        "path": os.fspath(hit.path),
        "modality": hit.modality.value,
        "others": [_hit_as_json(other) for other in hit.others],
        "copies": [_hit_as_json(copy) for copy in hit.copies],
    }


def _hit_from_json(values: Mapping[str, Any]) -> Hit:
    info = dict(values["info"])
    taken = info["captured_at"]
    info["captured_at"] = None if taken is None else datetime.fromisoformat(taken)
    changed = {
        "path": Path(values["path"]),
        "modality": Modality(values["modality"]),
        "info": MediaInfo(**info),
        "others": tuple(map(_hit_from_json, values["others"])),
        "copies": tuple(map(_hit_from_json, values["copies"])),
    }
    return Hit(**{**values, **changed})
