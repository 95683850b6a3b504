"""The speech models of one index: found by name, loaded once, used for files and questions."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mmsearch.errors import MediaError, QueryError, SourceNotFoundError
from mmsearch.ingest.plan import SpeechModels
from mmsearch.media.speech.models import available, resolve

if TYPE_CHECKING:
    from mmsearch.encoders.base import Device
    from mmsearch.media.speech.recognise import SpeechRecogniser

AUTO = "auto"


class Speech:
    """Recognises speech with the model that a name stands for.

    Args:
        device: where models run.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._recogniser: SpeechRecogniser | None = None
        self._loading = threading.Lock()

    def models(self, spec: str) -> SpeechModels:
        """Which models there are, without loading any.

        Raises:
            SpeechModelError: ``spec`` names one that is not at hand.
        """
        if spec == AUTO:
            return SpeechModels(None, cache(available))
        return SpeechModels(resolve(spec, device=self._device).id, lambda: True)

    def recogniser(self, spec: str) -> SpeechRecogniser:
        """The recogniser of a model, the same one for the same model.

        Raises:
            SpeechModelError: the model is not at hand.
        """
        from mmsearch.media.speech.recognise import SpeechRecogniser

        with self._loading:
            model = resolve(spec, device=self._device)
            if self._recogniser is None or self._recogniser.model != model:
                self._recogniser = SpeechRecogniser(model, self._device)
            return self._recogniser

    def transcribe(self, path: Path, spec: str) -> str:
        """What is said in a recording, on one line.

        Raises:
            SourceNotFoundError: the recording is not there.
            MediaError: it cannot be read; the message names it.
            SpeechModelError: the model is not at hand.
            QueryError: no speech was recognised in it.
        """
        if not path.is_file():
            raise SourceNotFoundError(f"There is no recording at {path}.")
        try:
            chunks = self.recogniser(spec).chunks(path, fits=lambda _: True)
            said = " ".join(passage.text for chunk in chunks for passage in chunk.passages)
        except MediaError as error:
            raise error.of(path.name) from error
        if not said:
            raise QueryError(
                f"No speech was recognised in {path.name}; say what to look for in words."
            )
        return said
