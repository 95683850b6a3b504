"""Finds the reranker that a name stands for.

``--rerank`` takes:

    testing     mmsearch.testing.TinyReranker
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeAlias

from mmsearch.errors import UnknownRerankerError
from mmsearch.search.rerank.base import Reranker

if TYPE_CHECKING:
    from mmsearch.encoders.base import DualEncoder

Factory: TypeAlias = "Callable[[DualEncoder], Reranker]"
"""Makes a reranker that goes with an encoder, the one of the index that is searched.

Raises RerankerError where it does not go with this one, saying with which it does.
"""


def available() -> tuple[str, ...]:
    """The names that ``--rerank`` takes."""
    return tuple(_FACTORIES)


def get(name: str) -> Factory:
    """The factory of a reranker.

    Raises:
        UnknownRerankerError: no reranker has this name.
    """
    if name in _FACTORIES:
        return _FACTORIES[name]
    near = get_close_matches(name, _FACTORIES, n=3)
    perhaps = f" Did you mean {' or '.join(near)}?" if near else ""
    raise UnknownRerankerError(
        f"No reranker is named {name!r}.{perhaps} --rerank takes: {', '.join(available())}."
    )


class LoadedRerankers:
    """Keeps rerankers that were made by name, with what they cache. Safe from several threads."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], Reranker] = {}
        self._making = threading.Lock()

    def get(self, name: str, encoder: DualEncoder) -> Reranker:
        """The reranker of this name that goes with an encoder.

        Raises:
            RerankerError: there is none of this name, or it does not go with the encoder.
        """
        factory = get(name)
        with self._making:
            key = (name, encoder.id)
            if key not in self._made:
                self._made[key] = factory(encoder)
            return self._made[key]


def _testing(_encoder: DualEncoder) -> Reranker:
    from mmsearch.testing import TinyReranker

    return TinyReranker()


# A new reranker is one more function here, and a line in the module's docstring.
_FACTORIES: dict[str, Factory] = {"testing": _testing}
