"""What there is to see and to read where an item is: for people and agents that look at a hit."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmsearch.catalog.reader import CatalogReader
from mmsearch.catalog.records import ItemRecord
from mmsearch.errors import QueryError
from mmsearch.items import Modality, middle
from mmsearch.media.formats import MediaKind, kind_of

if TYPE_CHECKING:
    from PIL.Image import Image

_TEXTS = frozenset((Modality.CAPTION, Modality.TRANSCRIPT, Modality.OCR))
_UNTIMED_SHARE = 0.1  # of a video's length: later than a black beginning


@dataclass(frozen=True, slots=True)
class View:
    """An item and what is around it in its file.

    Attributes:
        item: the item.
        texts: what is written and said around it, in the order of the file; the item itself too
            where it is a text.
    """

    item: ItemRecord
    texts: tuple[ItemRecord, ...]

    def picture(self, *, max_side: int, max_megapixels: float) -> Image | None:
        """What is seen there: the photo, or the video's frame at that moment.

        Args:
            max_side: pixels of the longer side; larger pictures are scaled down.
            max_megapixels: larger photos and frames are refused.

        Returns:
            Mode RGB, upright; None where the file has no pictures.

        Raises:
            MediaError: the file is gone or cannot be read.
        """
        from mmsearch.search.rerank.hits import PictureOpener

        kind = kind_of(self.item.path.name)
        if kind is MediaKind.PHOTO:
            opener = PictureOpener(self.item.path, Modality.IMAGE, 0.0, max_megapixels)
        elif kind is MediaKind.VIDEO:
            opener = PictureOpener(self.item.path, Modality.FRAME, self._moment, max_megapixels)
        else:
            return None
        picture = opener((max_side, max_side))
        if max(picture.size) > max_side:
            picture.thumbnail((max_side, max_side))
        return picture

    @property
    def _moment(self) -> float:
        """Seconds into the video."""
        item = self.item
        if item.start is None:
            return _UNTIMED_SHARE * (item.info.duration or 0.0)
        return middle(item.start, item.end)


def view(reader: CatalogReader, item: int, *, around: int) -> View:
    """Looks up an item and the texts around it.

    Args:
        reader: the catalog.
        item: the item's id.
        around: how many texts before and after it.

    Raises:
        QueryError: there is no such item.
    """
    found = reader.items([item]).get(item)
    if found is None:
        raise QueryError(f"There is no item #{item} in this index.")
    items = reader.items(reader.items_of_asset(found.asset_id)).values()
    texts = sorted((one for one in items if one.modality in _TEXTS), key=_place)
    places = [_place(one) for one in texts]
    at = bisect_left(places, _place(found))
    return View(found, tuple(texts[max(0, at - around) : at + around + 1]))


def _place(item: ItemRecord) -> tuple[float, int]:
    """Where in its file an item is; what has no time comes first, in the order it was read."""
    return (-1.0 if item.start is None else item.start), item.id
