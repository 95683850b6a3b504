"""Finds the reranker that a name stands for.

``--rerank`` takes:

    auto              what helps on this encoder, as far as it fits into the time
    regions           parts of the photo, for small things
    cascade[:MODEL]   a bigger dual encoder; MODEL as ``--model`` takes it, by default ``best``
    caption[:MODEL]   how likely a captioner says so; an open_clip CoCa, as ``--model`` takes it
    itm[:MODEL]       BLIP or BLIP-2; ``hf-hub:NAME`` or a folder
    expansion         for a query by image: what its best hits look like counts as well
    testing           mmsearch.testing.TinyReranker
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeAlias

from mmsearch.encoders.base import Device, DualEncoder
from mmsearch.errors import (
    EncoderError,
    HubUnreachableError,
    RerankerError,
    UnknownRerankerError,
)
from mmsearch.search.rerank.base import Reranker
from mmsearch.settings import load_settings

if TYPE_CHECKING:
    from mmsearch.search.rerank.cache import EmbeddingCache

CASCADE = "best"
CAPTIONER = "coca_ViT-L-14/mscoco_finetuned_laion2b_s13b_b90k"
MATCHER = "hf-hub:Salesforce/blip-itm-base-coco"
"""The models that are meant where none is named."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reranker is made from.

    Attributes:
        name: what ``--rerank`` took, model and all.
        model: the part after the first colon; empty where none was named.
        encoder: of the index that is searched.
        device: where models run.
        other: gives other rerankers for the same encoder, by name.
    """

    name: str
    model: str
    encoder: DualEncoder
    device: Device
    other: Callable[[str], Reranker]


Factory: TypeAlias = Callable[[Wanted], Reranker]
"""Makes a reranker.

Raises RerankerError where it does not go with the encoder, saying with which it does, and
EncoderError where its model cannot be had.
"""


def available() -> tuple[str, ...]:
    """The names that ``--rerank`` takes, without models."""
    return tuple(_FACTORIES)


def get(name: str, *, device: Device = "auto") -> Callable[[DualEncoder], Reranker]:
    """What makes the reranker of a name for an encoder.

    Raises:
        UnknownRerankerError: no reranker has this name.
    """
    _factory(name)
    return lambda encoder: LoadedRerankers(device).get(name, encoder)


class LoadedRerankers:
    """Keeps rerankers that were made by name, with what they cache. Safe from several threads.

    Args:
        device: where models run.
    """

    def __init__(self, device: Device = "auto") -> None:
        self._device = device
        self._made: dict[tuple[str, str], Reranker] = {}
        self._making = threading.RLock()

    def get(self, name: str, encoder: DualEncoder) -> Reranker:
        """The reranker of this name that goes with an encoder.

        Raises:
            RerankerError: there is none of this name, it does not go with the encoder, or its
                model cannot be had.
        """
        factory = _factory(name)
        with self._making:
            key = (name, encoder.id)
            if key not in self._made:
                wanted = Wanted(
                    name=name,
                    model=name.partition(":")[2],
                    encoder=encoder,
                    device=self._device,
                    other=lambda other: self.get(other, encoder),
                )
                self._made[key] = _make(factory, wanted)
            return self._made[key]


def _factory(name: str) -> Factory:
    bare, colon, _ = name.partition(":")
    if bare in _FACTORIES and (not colon or bare in _WITH_MODEL):
        return _FACTORIES[bare]
    if bare in _FACTORIES:
        raise UnknownRerankerError(f"The reranker {bare!r} takes no model: use `--rerank {bare}`.")
    near = get_close_matches(bare, _FACTORIES, n=3)
    perhaps = f" Did you mean {' or '.join(near)}?" if near else ""
    raise UnknownRerankerError(
        f"No reranker is named {name!r}.{perhaps} --rerank takes: {', '.join(available())}."
    )


def _make(factory: Factory, wanted: Wanted) -> Reranker:
    try:
        return factory(wanted)
    except HubUnreachableError as error:
        name = wanted.name.partition(":")[0]
        raise RerankerError(
            f"The reranker {wanted.name!r} needs a model that is not here: {error.why}. Name one "
            f"that is, as in `--rerank {name}:{_LOCAL[name]}`, or leave --rerank out."
        ) from error
    except EncoderError as error:
        raise RerankerError(
            f"The reranker {wanted.name!r} cannot load its model. {error}"
        ) from error


def _cache() -> EmbeddingCache:
    from mmsearch.search.rerank.cache import EmbeddingCache

    return EmbeddingCache(load_settings().cache)


def _auto(wanted: Wanted) -> Reranker:
    from mmsearch.search.rerank.auto import Auto

    return Auto(wanted.encoder, wanted.other, paces=load_settings().cache / "rerank" / "paces.json")


def _regions(wanted: Wanted) -> Reranker:
    from mmsearch.search.rerank.regions import Regions

    return Regions(wanted.encoder, cache=_cache())


def _cascade(wanted: Wanted) -> Reranker:
    from mmsearch.encoders.registry import load
    from mmsearch.search.rerank.cascade import Cascade

    encoder = load(wanted.model or CASCADE, device=wanted.device)
    return Cascade(encoder, name=wanted.name, cache=_cache())


def _caption(wanted: Wanted) -> Reranker:
    from mmsearch.encoders.registry import load
    from mmsearch.search.rerank.caption import CaptionLikelihood
    from mmsearch.search.rerank.pairs import PairReranker

    encoder = load(wanted.model or CAPTIONER, device=wanted.device)
    return PairReranker(CaptionLikelihood(encoder), name=wanted.name)


def _itm(wanted: Wanted) -> Reranker:
    from mmsearch.search.rerank.itm import ImageTextMatching
    from mmsearch.search.rerank.pairs import PairReranker

    model = ImageTextMatching.load(wanted.model or MATCHER, device=wanted.device)
    return PairReranker(model, name=wanted.name)


def _expansion(_: Wanted) -> Reranker:
    from mmsearch.search.rerank.neighbours import Expansion

    return Expansion()


def _testing(_: Wanted) -> Reranker:
    from mmsearch.testing import TinyReranker

    return TinyReranker()


# A new reranker is one more function here, and a line in the module's docstring.
_FACTORIES: dict[str, Factory] = {
    "auto": _auto,
    "regions": _regions,
    "cascade": _cascade,
    "caption": _caption,
    "itm": _itm,
    "expansion": _expansion,
    "testing": _testing,
}

# Those that take a model, and how one is named that is here already.
_LOCAL = {"cascade": "ARCH:FILE", "caption": "coca_ARCH:FILE", "itm": "FOLDER"}
_WITH_MODEL = frozenset(_LOCAL)
