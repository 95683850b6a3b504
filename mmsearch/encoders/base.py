"""The dual encoder protocol: what every encoder is to the rest of mmsearch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mmsearch.devices import Device as Device  # where encoders run is one of their words

if TYPE_CHECKING:
    from PIL.Image import Image

Embeddings: TypeAlias = NDArray[np.float32]
"""float32, shape (n, dim), rows of unit length."""

Features: TypeAlias = NDArray[np.float32]
"""float32, shape (n, features): what a tower saw, pooled, before it becomes an embedding."""

Pixels: TypeAlias = NDArray[np.uint8]
"""uint8 RGB, shape (n, height, width, 3)."""

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

        if self.resize_mode == "shortest":
            image = _without_far_ends(image, self.width, self.height)
        size = self._fitted(image.width, image.height)
        resized = image if image.size == size else image.resize(size, resample)
        frame = Pillow.new("RGB", (self.width, self.height), (self.fill,) * 3)
        frame.paste(resized, (_offset(self.width, size[0]), _offset(self.height, size[1])))
        return np.asarray(frame, dtype=np.uint8)

    def _fitted(self, width: int, height: int) -> tuple[int, int]:
        """Size of the resized image before cutting or padding, rounded as open_clip does."""
        if self.resize_mode == "shortest" and self.width == self.height:
            side = self.width
            if width <= height:
                return side, int(side * height / width)
            return int(side * width / height), side
        fit = min if self.resize_mode == "shortest" else max
        ratio = fit(height / self.height, width / self.width)
        return max(1, round(width / ratio)), max(1, round(height / ratio))

    def describe(self) -> dict[str, str | int]:
        """The transform as plain values, for the catalog."""
        return asdict(self)


def _offset(frame: int, size: int) -> int:
    """Where the image begins in the frame: negative where it is cut, positive where padded."""
    return (frame - size) // 2 if size < frame else -round((size - frame) / 2)


def _without_far_ends(image: Image, width: int, height: int) -> Image:
    """Cuts the ends off a strip, which would take gigabytes on the way to its centre."""
    longest = 32  # frames beside each other; no photo is as long
    keep_width = min(image.width, max(1, longest * image.height * width // height))
    keep_height = min(image.height, max(1, longest * image.width * height // width))
    if (keep_width, keep_height) == image.size:
        return image
    left, top = (image.width - keep_width) // 2, (image.height - keep_height) // 2
    return image.crop((left, top, left + keep_width, top + keep_height))


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
    Implementations are safe to call from one thread at a time for each tower: one may embed texts
    while another embeds images. `mmsearch.search.together` lets several take turns.
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

    def fits(self, text: str) -> bool:
        """Whether the text tower takes a text whole; what is longer is cut when it is encoded."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """What an encoder makes of images or texts.

    Attributes:
        embeddings: float32, shape (n, dim), rows of unit length.
        features: float32, shape (n, features), what the embeddings were computed from.
    """

    embeddings: Embeddings
    features: Features

    def rows(self, chosen: NDArray[np.int64]) -> Encoded:
        """Some of the rows, by their indices."""
        embeddings = self.embeddings[chosen]
        same = self.features is self.embeddings
        return Encoded(embeddings, embeddings if same else self.features[chosen])


@runtime_checkable
class FeatureEncoder(DualEncoder, Protocol):
    """A dual encoder that also shows the pooled features of its towers, from the same run.

    Optional: they say more than an embedding, so that heads trained on them learn more.
    """

    def images_with_features(self, pixels: Pixels) -> Encoded:
        """Embeds images as ``encode_images`` does, and keeps what the embeddings come from."""

    def texts_with_features(self, texts: Sequence[str]) -> Encoded:
        """Embeds texts as ``encode_texts`` does, and keeps what the embeddings come from."""


def images_with_features(encoder: DualEncoder, pixels: Pixels) -> Encoded:
    """Embeddings and features of images; an encoder that shows none has its embeddings for them."""
    if isinstance(encoder, FeatureEncoder):
        return encoder.images_with_features(pixels)
    embeddings = encoder.encode_images(pixels)
    return Encoded(embeddings, embeddings)


def texts_with_features(encoder: DualEncoder, texts: Sequence[str]) -> Encoded:
    """Embeddings and features of texts; an encoder that shows none has its embeddings for them."""
    if isinstance(encoder, FeatureEncoder):
        return encoder.texts_with_features(texts)
    embeddings = encoder.encode_texts(texts)
    return Encoded(embeddings, embeddings)


@dataclass(frozen=True, slots=True)
class Regions:
    """What an encoder makes of the regions of one image, a grid that covers its pixels evenly.

    Attributes:
        rows: of the grid.
        columns: of the grid.
        encoded: of each region, row by row from the top left. Embeddings may be shorter than 1
            where a region is a mean of several views.
    """

    rows: int
    columns: int
    encoded: Encoded

    def similarities(self, embeddings: Embeddings) -> NDArray[np.float32]:
        """How similar each region is to texts or images.

        Args:
            embeddings: float32, shape (n, dim).

        Returns:
            Inner products, float32, shape (n, rows, columns).
        """
        products: NDArray[np.float32] = embeddings @ self.encoded.embeddings.T
        return products.reshape(len(embeddings), self.rows, self.columns)


@runtime_checkable
class RegionEncoder(DualEncoder, Protocol):
    """A dual encoder that also embeds the regions of an image, in one run of its image tower.

    Optional: it tells where in a photo something is seen, sooner than looking at many cut-outs.
    """

    def encode_regions(self, pixels: Pixels) -> Regions | None:
        """Embeds the regions of one image.

        Args:
            pixels: uint8 RGB, shape (1, height, width, 3), as ``transform`` makes them.

        Returns:
            The regions; None where this encoder's image tower does not keep them apart.
        """


def encode_regions(encoder: DualEncoder, pixels: Pixels) -> Regions | None:
    """The regions of one image; None where the encoder does not show any."""
    return encoder.encode_regions(pixels) if isinstance(encoder, RegionEncoder) else None


@runtime_checkable
class PreparedEncoder(DualEncoder, Protocol):
    """A dual encoder that can get ready for many images.

    Optional: what takes seconds to prepare pays off over thousands of images and not over ten.
    """

    def expect_images(self, count: int, cores: int) -> None:
        """Tells how many images are about to be embedded.

        ``batch_size`` may be another one after that. Embeddings stay the same up to rounding.

        Args:
            count: of images; 0 once they are done, which gives back what was prepared for them.
            cores: how many processor cores to use, for these images and until it is called again.
        """


def expect_images(encoder: DualEncoder, count: int, cores: int) -> None:
    """Tells an encoder how many images are about to come, if it wants to know."""
    if isinstance(encoder, PreparedEncoder):
        encoder.expect_images(count, cores)


class DelegatingEncoder(ABC):
    """A dual encoder in front of another one, which does all that is not done here.

    Of the optional protocols it is a `RegionEncoder`; which others it keeps is for subclasses.
    """

    @property
    @abstractmethod
    def base(self) -> DualEncoder:
        """The encoder behind this one."""

    @property
    def identity(self) -> EncoderIdentity:
        """Which encoder this is."""
        return self.base.identity

    @property
    def id(self) -> str:
        """The same as ``identity.id``."""
        return self.identity.id

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return self.base.dim

    @property
    def transform(self) -> ImageTransform:
        """Makes the pixels that ``encode_images`` takes."""
        return self.identity.transform

    @property
    def batch_size(self) -> int:
        """How many images to encode at once for the best rate."""
        return self.base.batch_size

    def encode_images(self, pixels: Pixels) -> Embeddings:
        """Embeds images; see `DualEncoder.encode_images`."""
        return self.base.encode_images(pixels)

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Embeds texts; see `DualEncoder.encode_texts`."""
        return self.base.encode_texts(texts)

    def encode_regions(self, pixels: Pixels) -> Regions | None:
        """Embeds the regions of one image; see `RegionEncoder`."""
        return encode_regions(self.base, pixels)

    def fits(self, text: str) -> bool:
        """Whether the text tower takes a text whole; what is longer is cut when it is encoded."""
        return self.base.fits(text)
