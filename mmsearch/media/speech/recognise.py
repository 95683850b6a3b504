"""Goes through a recording chunk by chunk and writes down what is said."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.devices import Device
from mmsearch.errors import SpeechModelError
from mmsearch.items import Passage
from mmsearch.media.audio import SAMPLE_RATE, Sound, decode_audio, probe_audio
from mmsearch.media.speech.models import SpeechModel, pick_device
from mmsearch.media.speech.segments import Word, cut_sentences, without_loops
from mmsearch.media.speech.voice import Speech, best_cut, find_speech
from mmsearch.onnx_runtime import onnx_runtime

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from faster_whisper.transcribe import Segment, TranscriptionInfo

_log = logging.getLogger("mmsearch.media.speech")

# A chunk is what a kill costs and what progress is counted in. Whisper hears 30 s at once, so
# that a shorter one would waste work at its end.
_LONGEST_CHUNK = 180 * SAMPLE_RATE
_SHORTEST_CHUNK = 120 * SAMPLE_RATE

_BEAM_SIZE = 5  # against 1: word error rate 3.3 % for 3.6 %, at 0.8 of the speed
_TEMPERATURES = (0.0, 0.4, 0.8)  # each is tried when the one before gives a loop or a guess
_MAX_COMPRESSION = 2.4  # text that zlib makes smaller than this may be a loop (Whisper, 4.5)
_NO_SPEECH = 0.6  # the model's own probability that nobody speaks
_GUESS = -1.0  # mean log-probability of a token
_SURE_OF_LANGUAGE = 0.5


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """What is said in one part of a recording.

    Attributes:
        passages: sentences in order; none where nobody speaks.
        start: seconds into the recording.
        end: seconds into the recording; everything before it is finished.
        language: ISO 639-1 code of what is spoken; None where nobody speaks.
        duration: seconds of the whole recording; None where its container does not know.
    """

    passages: list[Passage]
    start: float
    end: float
    language: str | None
    duration: float | None


class SpeechRecogniser:
    """A Whisper model at work; loaded when first used, for one thread at a time."""

    def __init__(self, model: SpeechModel, device: Device = "auto") -> None:
        self.model = model
        self._device = device

    def chunks(
        self, path: Path, *, fits: Callable[[str], bool], start: float = 0.0
    ) -> Iterator[SpeechChunk]:
        """Recognises what is said in a recording or a video, two to three minutes at a time.

        Chunks end in a silence where there is one, and follow each other without a gap. Calling
        this again with the ``end`` of a chunk as ``start`` goes on with the next one.

        Args:
            path: the file.
            fits: whether the text tower takes a text whole.
            start: seconds from the file's beginning.

        Yields:
            Chunks in order, until the end of the file; nothing where it ends before ``start``.

        Raises:
            UnreadableFileError: nothing in it can be decoded as sound.
            UnsupportedFormatError: FFmpeg has no decoder for it.
            NothingToIndexError: it has no sound track. That nobody speaks is no error here.
            SpeechModelError: the model cannot be loaded.
            DeviceUnavailableError: the device that was asked for is not there.
        """
        duration = probe_audio(path).duration
        language: str | None = None
        at = round(start * SAMPLE_RATE)
        for sound, speech in _in_chunks(decode_audio(path, start=start)):
            words: list[Word] = []
            if speech:
                words, language = self._listen(Speech.of(sound, speech), at, language)
            passages = cut_sentences(words, fits)
            end = at + len(sound)
            yield SpeechChunk(
                passages,
                at / SAMPLE_RATE,
                end / SAMPLE_RATE,
                language if passages else None,
                duration,
            )
            at = end

    @cached_property
    def _whisper(self) -> WhisperModel:
        onnx_runtime()  # before faster-whisper imports it
        from faster_whisper import WhisperModel

        device = pick_device(self._device)
        try:
            return WhisperModel(
                str(self.model.path),
                device=device,
                # on the CPU: as accurate as float32, and 1.3 times as fast
                compute_type="float16" if device == "cuda" else "int8",
                cpu_threads=_cores(),
                local_files_only=True,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise SpeechModelError(
                f"The speech model {self.model.name} in {self.model.path} cannot be loaded: "
                f"{error}. Get it anew, or choose another one with `--speech-model`."
            ) from error

    def _listen(self, speech: Speech, at: int, known: str | None) -> tuple[list[Word], str]:
        """Recognises words.

        Args:
            speech: from one chunk.
            at: the sample at which the chunk begins.
            known: the language so far, for when it cannot be told from this chunk.

        Returns:
            The words, and their language.
        """
        try:
            segments, info = self._transcribe(speech.sound, None)
            if known is not None and info.language_probability < _SURE_OF_LANGUAGE:
                segments, info = self._transcribe(speech.sound, known)
            offset = at / SAMPLE_RATE
            words = []
            for word in _words(segments):
                start, end = speech.times(word.start, word.end)
                words.append(Word(word.text, start + offset, end + offset))
        except RuntimeError as error:  # of CTranslate2: memory, libraries of the GPU
            raise SpeechModelError(
                f"Speech recognition with {self.model.name} failed: {error}. Choose a smaller "
                "model with `--speech-model`, or `--device cpu`."
            ) from error
        return words, str(info.language)

    def _transcribe(
        self, sound: Sound, language: str | None
    ) -> tuple[Iterator[Segment], TranscriptionInfo]:
        segments, info = self._whisper.transcribe(
            sound,
            language=language,
            beam_size=_BEAM_SIZE,
            temperature=list(_TEMPERATURES),
            compression_ratio_threshold=_MAX_COMPRESSION,
            log_prob_threshold=_GUESS,
            no_speech_threshold=_NO_SPEECH,
            condition_on_previous_text=False,  # else one mistake is repeated for minutes
            word_timestamps=True,  # they cost next to nothing
        )
        return iter(segments), info


def _in_chunks(pieces: Iterator[Sound]) -> Iterator[tuple[Sound, list[tuple[int, int]]]]:
    """Gathers sound to chunks, with the spans of each in which somebody speaks."""
    gathered: list[Sound] = []
    length = 0
    for piece in pieces:
        gathered.append(piece)
        length += len(piece)
        while length >= _LONGEST_CHUNK:
            sound = np.concatenate(gathered)
            longest = sound[:_LONGEST_CHUNK]
            speech = find_speech(longest)
            cut = best_cut(longest, speech, _SHORTEST_CHUNK)
            yield (
                longest[:cut],
                [(first, min(after, cut)) for first, after in speech if first < cut],
            )
            gathered = [sound[cut:]]
            length -= cut
    if length:
        sound = np.concatenate(gathered)
        yield sound, find_speech(sound)


def _words(segments: Iterator[Segment]) -> list[Word]:
    """The words of segments, without what Whisper makes up where nobody speaks."""
    words: list[Word] = []
    for segment in segments:
        if segment.no_speech_prob > _NO_SPEECH and segment.avg_logprob < _GUESS:
            _log.debug("Left out, for nobody seems to say it: %s", segment.text)
            continue
        words += [Word(word.word, float(word.start), float(word.end)) for word in segment.words]
    return without_loops(words)


def _cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
