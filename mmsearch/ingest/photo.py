"""From a photo's bytes to all that an index needs of its picture; runs in a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmsearch.encoders.base import ImageTransform, Pixels
from mmsearch.items import MediaInfo
from mmsearch.media import fingerprint as fingerprints
from mmsearch.media.image import read_image

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class PhotoWish:
    """What to make of photos in one run; picklable.

    Attributes:
        transform: the encoder's; None where no pixels are wanted.
        max_megapixels: larger photos are refused.
        fingerprint: whether to take the fingerprint.
        picture_size: width and height in pixels that somebody else needs the picture in (OCR);
            None where nobody does.
    """

    transform: ImageTransform | None
    max_megapixels: float
    fingerprint: bool = False
    picture_size: tuple[int, int] | None = None

    @property
    def min_size(self) -> tuple[int, int]:
        """The smallest width and height to decode a photo in."""
        sizes = [self.picture_size or (1, 1)]
        if self.transform:
            sizes.append((self.transform.width, self.transform.height))
        if self.fingerprint:
            sizes.append(fingerprints.MIN_SIZE)
        width, height = (max(sides) for sides in zip(*sizes, strict=True))
        return width, height


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo as far as it was wished for.

    Attributes:
        info: what it tells about itself.
        captions: what people wrote about it inside the file.
        pixels: what the encoder takes.
        fingerprint: what it looks like.
        picture: mode RGB, upright.
    """

    info: MediaInfo
    captions: tuple[str, ...]
    pixels: Pixels | None = None
    fingerprint: bytes | None = None
    picture: Image | None = None


def decode_photo(data: bytes, suffix: str, wish: PhotoWish) -> Photo:
    """Decodes a photo. Safe to call from several threads.

    Args:
        data: the whole file.
        suffix: of the file's name.
        wish: what is needed.

    Raises:
        MediaError: it cannot be decoded.
    """
    decoded = read_image(
        data, suffix=suffix, max_megapixels=wish.max_megapixels, min_size=wish.min_size
    )
    return Photo(
        decoded.info,
        decoded.captions,
        pixels=wish.transform(decoded.image) if wish.transform else None,
        fingerprint=fingerprints.fingerprint(decoded.image) if wish.fingerprint else None,
        picture=decoded.image if wish.picture_size else None,
    )
