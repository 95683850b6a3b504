"""What a hit looks like, small: the photo, or what the video shows at its moment."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

from mmsearch.errors import NothingToIndexError
from mmsearch.items import Modality, middle
from mmsearch.media.formats import MediaKind, kind_of
from mmsearch.settings import DEFAULT_MAX_MEGAPIXELS

if TYPE_CHECKING:
    from mmsearch.items import Hit


def has_picture(hit: Hit) -> bool:
    """Whether a hit is of a kind of file that has pictures: a photo or a video."""
    return kind_of(hit.path.name) in (MediaKind.PHOTO, MediaKind.VIDEO)


def picture_of(
    hit: Hit, size: int, *, web: bool = False, max_megapixels: float = DEFAULT_MAX_MEGAPIXELS
) -> bytes | None:
    """A small picture of a hit.

    Args:
        hit: of any modality.
        size: pixels of the longer side; nothing is enlarged.
        web: as WebP, which is smaller and which browsers show, instead of JPEG.
        max_megapixels: larger pictures are not opened.

    Returns:
        A JPEG or WebP file; None for what has no picture: recordings and texts.

    Raises:
        MediaError: its file is gone or cannot be read.
    """
    if not has_picture(hit):
        return None
    from mmsearch.media.thumbnail import Encoding, thumbnail

    try:
        return thumbnail(
            hit.path,
            time=_moment(hit) if kind_of(hit.path.name) is MediaKind.VIDEO else None,
            size=size,
            encoding=Encoding.WEBP if web else Encoding.JPEG,
            max_megapixels=max_megapixels,
        )
    except NothingToIndexError:  # sound alone, in a video's container
        return None


def seen_at(modality: Modality, start: float, end: float | None) -> float:
    """The second of a video that shows an item: a scene's middle, or where it is said."""
    return middle(start, end) if modality is Modality.FRAME else start


def _moment(hit: Hit) -> float:
    return 0.0 if hit.start is None else seen_at(hit.modality, hit.start, hit.end)


def as_data_url(picture: bytes) -> str:
    """A WebP file as a ``data:`` URL, so that a page needs no other file."""
    return f"data:image/webp;base64,{b64encode(picture).decode('ascii')}"
