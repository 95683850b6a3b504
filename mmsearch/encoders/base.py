"""The dual encoder protocol: what every encoder is to the rest of mmsearch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

Embeddings: TypeAlias = NDArray[np.float32]
"""float32, shape (n, dim), rows of unit length."""

Pixels: TypeAlias = NDArray[np.uint8]
"""uint8 RGB, shape (n, height, width, 3)."""

Device: TypeAlias = Literal["auto", "cpu", "cuda"]

ResizeMode: TypeAlias = Literal["squash", "shortest", "longest"]


@dataclass(frozen=True, slots=True)
class ImageTransform:
    """Turns a decoded photo into the pixels that one encoder takes.

    Picklable and free of torch, so that decoding workers can apply it. What it does is part
    of the encoder's identity.

    Attributes:
        height: pixels of the result.
        width: pixels of the result.
        resize_mode: ``squash`` ignores the aspect ratio, ``shortest`` fills the frame and cuts
            the centre out, ``longest`` fits into the frame and pads.
        interpolation: the resampling filter.
        fill: grey level of the padding.
    """

    height: int
    width: int
    resize_mode: ResizeMode
    interpolation: Literal["bilinear", "bicubic"]
    fill: int = 0

    def __call__(self, image: Image) -> Pixels:
        """Resizes an RGB image.

        Args:
            image: a Pillow image in mode RGB.

        Returns:
            uint8, shape (height, width, 3).
        """
        from PIL import Image as Pillow

        resample = (
            Pillow.Resampling.BILINEAR
            if self.interpolation == "bilinear"
            else Pillow.Resampling.BICUBIC
        )
        if self.resize_mode == "squash":
            resized = image.resize((self.width, self.height), resample)
            return np.asarray(resized, dtype=np.uint8)

        fit = max if self.resize_mode == "shortest" else min
        scale = fit(self.width / image.width, self.height / image.height)
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        resized = image if image.size == size else image.resize(size, resample)
        frame = Pillow.new("RGB", (self.width, self.height), (self.fill,) * 3)
        offset = round((self.width - size[0]) / 2), round((self.height - size[1]) / 2)
        frame.paste(resized, offset)
        return np.asarray(frame, dtype=np.uint8)

    def describe(self) -> dict[str, str | int]:
        """The transform as plain values, for the catalog."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class EncoderIdentity:
    """Which encoder made an embedding; stored in the catalog.

    Two encoders with equal ``id`` give the same embeddings (up to rounding).

    Attributes:
        spec: what ``--model`` takes to load this encoder again, for instance ``"embedded"`` or
            ``"ViT-B-32-256/datacomp_s34b_b86k"``; never ``auto`` or a preset.
        name: for people to read.
        revision: the weights' revision or content hash.
        transform: the image preprocessing.
    """

    spec: str
    name: str
    revision: str
    transform: ImageTransform

    @property
    def id(self) -> str:
        """Name and revision in one string, ``name@revision``."""
        return f"{self.name}@{self.revision}"


@runtime_checkable
class DualEncoder(Protocol):
    """An image tower and a text tower that map into one embedding space.

    Towers are loaded when first used, so that a text query never pays for the image tower.
    Implementations are safe to call from one thread at a time.
    """

    @property
    def identity(self) -> EncoderIdentity:
        """Which encoder this is."""

    @property
    def id(self) -> str:
        """The same as ``identity.id``."""

    @property
    def dim(self) -> int:
        """Length of an embedding."""

    @property
    def transform(self) -> ImageTransform:
        """Makes the pixels that ``encode_images`` takes."""

    @property
    def batch_size(self) -> int:
        """How many images to encode at once for the best rate."""

    def encode_images(self, pixels: Pixels) -> Embeddings:
        """Embeds images.

        Args:
            pixels: uint8 RGB, shape (n, height, width, 3), as ``transform`` makes them; n may
                be 0.

        Returns:
            float32, shape (n, dim), rows of unit length.
        """

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Embeds texts; what is longer than the text tower takes is cut.

        Returns:
            float32, shape (n, dim), rows of unit length.
        """
