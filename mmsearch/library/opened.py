"""What all that is done with an index stands on: its directory, its encoder, its settings."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mmsearch.index import IndexDirectory
from mmsearch.ingest.identity import known_identity
from mmsearch.settings import DEFAULT_MAX_MEGAPIXELS

if TYPE_CHECKING:
    from mmsearch.catalog.reader import CatalogReader
    from mmsearch.encoders.base import Device, DualEncoder
    from mmsearch.index import Snapshot
    from mmsearch.ingest.speech import Speech
    from mmsearch.search.together import TextsTogether


class OpenedIndex:
    """An index that is open; `mmsearch.Index` says what its attributes mean."""

    def __init__(
        self,
        directory: IndexDirectory,
        *,
        encoder: DualEncoder | None = None,
        device: Device = "auto",
    ) -> None:
        self.max_megapixels = DEFAULT_MAX_MEGAPIXELS
        self.speech_model = "auto"
        self.jobs: int | None = None
        self._directory = directory
        self._encoder = encoder
        self._loading = threading.Lock()
        self._device: Device = device

    @property
    def path(self) -> Path:
        """The index directory."""
        return self._directory.path

    @property
    def encoder(self) -> DualEncoder:
        """The encoder that made the index's embeddings, loaded when first used.

        Another one is loaded where another process has re-encoded the index meanwhile.

        Raises:
            EncoderMismatchError: it is no longer the one that made the embeddings.
            EncoderError: it cannot be loaded.
        """
        with self._loading:
            with self._directory.reading() as reader:
                stored = reader.encoder()
            if self._encoder is None or self._encoder.id != stored.id:
                from mmsearch.encoders.text_onnx.encoder import open_for_queries

                self._encoder = open_for_queries(
                    known_identity(stored), self.path, dim=stored.dim, device=self._device
                )
            return self._encoder

    @property
    def encoder_id(self) -> str:
        """Id of the encoder that made the index's embeddings; nothing is loaded."""
        with self._directory.reading() as reader:
            return reader.encoder().id

    @cached_property
    def together(self) -> TextsTogether:
        """Lets several threads use the encoder, texts in batches; tells the sizes of these."""
        from mmsearch.search.together import TextsTogether

        return TextsTogether()

    @cached_property
    def _speech(self) -> Speech:
        from mmsearch.ingest.speech import Speech

        return Speech(self._device)

    def reading(self) -> AbstractContextManager[CatalogReader]:
        """Holds the newest generation of the catalog still, to look things up in it."""
        return self._directory.reading()

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Holds the newest generation still, with its vectors and the columns of its items."""
        return self._directory.snapshot()

    def close(self) -> None:
        """Closes the index's files."""
        self._directory.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<mmsearch.Index at {self.path}>"


def load_encoder(model: str, device: Device) -> DualEncoder:
    """Loads what ``--model`` takes; see `mmsearch.encoders.registry.load`."""
    from mmsearch.encoders.registry import load

    return load(model, device=device)
