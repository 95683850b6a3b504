"""Transforms that do to a process what broken codecs do; worker processes import them."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from PIL.Image import Image

from mmsearch.encoders.base import EncoderIdentity, ImageTransform, Pixels
from mmsearch.testing import TinyEncoder


@dataclass(frozen=True, slots=True)
class Crashing(ImageTransform):
    """Ends the process on a red photo."""

    def __call__(self, image: Image) -> Pixels:
        if image.getpixel((0, 0)) == (255, 0, 0):
            os.abort()
        return ImageTransform.__call__(self, image)


@dataclass(frozen=True, slots=True)
class Failing(ImageTransform):
    """Has too little memory for a red photo."""

    def __call__(self, image: Image) -> Pixels:
        if image.getpixel((0, 0)) == (255, 0, 0):
            raise MemoryError("3 GB")
        return ImageTransform.__call__(self, image)


@dataclass(frozen=True, slots=True)
class Hanging(ImageTransform):
    """Goes on for ever on a red photo; writes its process id to a file first."""

    note: str = ""

    def __call__(self, image: Image) -> Pixels:
        if image.getpixel((0, 0)) == (255, 0, 0):
            Path(self.note).write_text(str(os.getpid()))
            while True:
                time.sleep(1)
        return ImageTransform.__call__(self, image)


@dataclass(frozen=True, slots=True)
class Printing(ImageTransform):
    """Prints, as libraries do that were built to be programs."""

    def __call__(self, image: Image) -> Pixels:
        os.write(1, b"warning: 300 of 301 tiles\n")
        return ImageTransform.__call__(self, image)


class MisbehavingEncoder(TinyEncoder):
    """An encoder that takes one of these transforms."""

    def __init__(self, kind: type[ImageTransform]) -> None:
        super().__init__()
        self._kind = kind

    @cached_property
    def identity(self) -> EncoderIdentity:
        before = super().identity
        return replace(before, transform=self._kind(**before.transform.describe()))

    @property
    def transform(self) -> ImageTransform:
        return self.identity.transform
