"""Where in a sound somebody speaks, and where it can be cut without cutting a word.

Voice activity is detected by Silero VAD (Silero Team 2021), whose model ships with faster-whisper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mmsearch.media.audio import SAMPLE_RATE, Sound
from mmsearch.onnx_runtime import onnx_runtime

Span: TypeAlias = tuple[int, int]
"""First sample, and the one after the last."""

_MIN_SILENCE = 400  # milliseconds; shorter ones stay within a span
_PADDING = 200  # milliseconds of silence that are kept around speech
_MIN_SPEECH = 100  # milliseconds; a "yes" takes 250, a click less than 100
_LOUDNESS_WINDOW = SAMPLE_RATE // 10


def find_speech(sound: Sound) -> list[Span]:
    """Returns the spans of a sound in which somebody speaks, in order and apart."""
    onnx_runtime()  # before faster-whisper imports it
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(
        min_speech_duration_ms=_MIN_SPEECH,
        min_silence_duration_ms=_MIN_SILENCE,
        speech_pad_ms=_PADDING,
    )
    found = get_speech_timestamps(sound, options)
    return [(int(span["start"]), min(int(span["end"]), len(sound))) for span in found]


def best_cut(sound: Sound, speech: list[Span], earliest: int) -> int:
    """Where to cut a sound that goes on: in the longest silence, else where it is quietest.

    Args:
        sound: longer than ``earliest`` samples.
        speech: where somebody speaks in it.
        earliest: the first sample at which it may be cut.

    Returns:
        A sample from ``earliest`` to the end of the sound.
    """
    edges = [0, *(edge for span in speech for edge in span), len(sound)]
    silences = [
        (end - max(start, earliest), max(start, earliest), end)
        for start, end in zip(edges[::2], edges[1::2], strict=True)
        if end > max(start, earliest)
    ]
    if silences:
        _, start, end = max(silences)
        # what follows the last words may be the beginning of the next ones
        return end if end == len(sound) else (start + end) // 2
    windows = len(sound[earliest:]) // _LOUDNESS_WINDOW
    if windows == 0:
        return len(sound)
    tail = sound[earliest : earliest + windows * _LOUDNESS_WINDOW].reshape(windows, -1)
    quietest = int(np.argmin(np.square(tail).mean(axis=1)))
    return earliest + quietest * _LOUDNESS_WINDOW + _LOUDNESS_WINDOW // 2


@dataclass(frozen=True, slots=True)
class Speech:
    """The spans of speech in a sound, put together without the silence between them.

    Attributes:
        sound: what is spoken.
        spans: where that comes from.
    """

    sound: Sound
    spans: list[Span]

    @classmethod
    def of(cls, sound: Sound, spans: list[Span]) -> Speech:
        """Takes the spans out of a sound."""
        return cls(np.concatenate([sound[start:end] for start, end in spans]), spans)

    def times(self, start: float, end: float) -> tuple[float, float]:
        """From the times of a word in ``sound`` to its times in the sound that it came from.

        A word that seems to reach over a silence belongs to where its middle is.
        """
        middle, before = (start + end) / 2 * SAMPLE_RATE, 0
        for first, after in self.spans:
            if middle < before + after - first or (first, after) == self.spans[-1]:
                break
            before += after - first
        shift = (first - before) / SAMPLE_RATE
        earliest, latest = first / SAMPLE_RATE, after / SAMPLE_RATE
        return min(max(start + shift, earliest), latest), min(max(end + shift, earliest), latest)
