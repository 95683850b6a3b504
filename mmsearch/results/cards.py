"""What a page says of a hit, put together: picture, names and texts, all still unescaped."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from mmsearch.errors import MediaError
from mmsearch.items import Hit
from mmsearch.media.formats import kind_of
from mmsearch.results.pictures import as_data_url, picture_of

_AHEAD = 64  # hits whose pictures are made together


@dataclass(frozen=True, slots=True)
class Card:
    """A hit with its picture.

    Attributes:
        hit: what it is of.
        picture: a ``data:`` URL; None where there is none.
        instead: what stands in place of a picture, for instance ``recording``.
    """

    hit: Hit
    picture: str | None
    instead: str

    @property
    def name(self) -> str:
        """The file's name; bytes that are no UTF-8 are shown as question marks."""
        return readable(self.hit.path.name)

    @property
    def alternative(self) -> str:
        """The picture in words, where somebody wrote some: its name stands beside it anyway."""
        return readable(self.hit.text) if self.hit.text else ""


def cards_of(hits: Sequence[Hit], size: int, *, max_megapixels: float) -> Iterator[Card]:
    """A card for each hit, in their order; pictures are made on all cores.

    Args:
        hits: of any modality.
        size: pixels of the pictures' longer sides.
        max_megapixels: larger pictures are not opened.
    """
    card = partial(_card, size=size, max_megapixels=max_megapixels)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for first in range(0, len(hits), _AHEAD):
            yield from pool.map(card, hits[first : first + _AHEAD])


def readable(text: str) -> str:
    """A text that can be written as UTF-8: file names may hold other bytes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _card(hit: Hit, *, size: int, max_megapixels: float) -> Card:
    try:
        picture = picture_of(hit, size, web=True, max_megapixels=max_megapixels)
    except MediaError as error:
        return Card(hit, None, readable(str(error)))
    if picture is None:
        kind = kind_of(hit.path.name)
        return Card(hit, None, "file" if kind is None else kind.value)
    return Card(hit, as_data_url(picture), "")
