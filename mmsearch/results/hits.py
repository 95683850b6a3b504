"""A list of hits that notebooks show with pictures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import SupportsIndex, overload

from mmsearch.items import Hit


class Hits(list[Hit]):
    """What a search returns: a plain list of hits, best first, that notebooks show as pictures.

    Equal to a list with the same hits, and printed as one. A slice of it is one again.
    """

    def __init__(self, hits: Iterable[Hit] = ()) -> None:
        super().__init__(hits)

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> Hit: ...
    @overload
    def __getitem__(self, index: slice, /) -> Hits: ...
    def __getitem__(self, index: SupportsIndex | slice, /) -> Hit | Hits:
        if isinstance(index, slice):
            return Hits(super().__getitem__(index))
        return super().__getitem__(index)

    def _repr_html_(self) -> str:
        """What Jupyter shows: thumbnails, relevance, moments and texts; needs no other file."""
        from mmsearch.results.notebook import as_fragment

        return as_fragment(self)
