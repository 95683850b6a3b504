"""The encoder of an index as queries use it: without torch as long as only texts are asked."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from mmsearch.encoders.base import (
    DelegatingEncoder,
    Device,
    DualEncoder,
    Embeddings,
    EncoderIdentity,
)
from mmsearch.encoders.text_onnx.kept import TowerPlaces, can_export, keep_text_tower
from mmsearch.encoders.text_onnx.tower import TextTower

_log = logging.getLogger("mmsearch.encoders")


class TextFirstEncoder(DelegatingEncoder):
    """A dual encoder whose exported text tower reads texts; the whole waits for an image.

    Args:
        identity: of the encoder.
        dim: length of an embedding.
        tower: its text tower.
        load: loads the whole encoder.
    """

    def __init__(
        self,
        identity: EncoderIdentity,
        dim: int,
        tower: TextTower,
        load: Callable[[], DualEncoder],
    ) -> None:
        self._identity = identity
        self._dim = dim
        self._tower = tower
        self._load = load
        self._whole: DualEncoder | None = None
        self._loading = threading.Lock()

    @property
    def base(self) -> DualEncoder:
        """The whole encoder, loaded when first used.

        Raises:
            EncoderError: it cannot be loaded.
        """
        with self._loading:
            if self._whole is None:
                self._whole = self._load()
            return self._whole

    @property
    def identity(self) -> EncoderIdentity:
        """Which encoder this is."""
        return self._identity

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return self._dim

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Embeds texts by the exported tower; see `DualEncoder.encode_texts`."""
        return self._tower(texts)

    def fits(self, text: str) -> bool:
        """Whether the text tower takes a text whole; what is longer is cut when it is encoded."""
        return self._tower.tokens.fits(text)


def open_for_queries(
    identity: EncoderIdentity, index: Path, *, dim: int, device: Device = "auto"
) -> DualEncoder:
    """The encoder of an index, by its exported text tower where there is one.

    Where there is none yet, as in an index that an older mmsearch made, the encoder is loaded and
    its tower exported; a notice says so.

    Args:
        identity: as the index keeps it.
        index: the index directory.
        dim: length of an embedding.
        device: where images are encoded.

    Raises:
        EncoderError: as `mmsearch.encoders.registry.reopen`.
    """
    from mmsearch.encoders.registry import reopen

    places = TowerPlaces.of(identity.id, index)
    tower = places.open()
    if tower is not None:
        return TextFirstEncoder(identity, dim, tower, lambda: reopen(identity, device=device))
    encoder = reopen(identity, device=device)
    if can_export(encoder) and places.may_export():
        _log.warning(
            "The text tower of %s is exported once, so that later queries do without torch.",
            encoder.id,
        )
        keep_text_tower(encoder, index)
    return encoder


def whole(encoder: DualEncoder) -> DualEncoder:
    """The encoder itself, for what looks at more of it than a text query does."""
    return encoder.base if isinstance(encoder, TextFirstEncoder) else encoder
