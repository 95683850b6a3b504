"""Speaks sentences into wav files with espeak-ng, so that tests can know what is said."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import wave
from collections.abc import Sequence
from functools import cache
from pathlib import Path

_RETRIEVAL = 1  # espeak_AUDIO_OUTPUT: sound goes to the callback
_UTF_8 = 1
_RATE = 1  # espeak_PARAMETER

_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


@cache
def can_speak() -> bool:
    """Whether espeak-ng is here."""
    try:
        import espeakng_loader

        ctypes.CDLL(espeakng_loader.get_library_path())
    except (ImportError, OSError):
        return False
    return True


def speak(
    path: Path,
    text: str | Sequence[str],
    *,
    voice: str = "en-us",
    words_per_minute: int = 150,
    pause: float = 0.6,
    lead: float = 0.0,
) -> list[tuple[float, float]]:
    """Speaks sentences into a mono wav file of 16 bits.

    Args:
        path: the wav file to write.
        text: one sentence, or several.
        voice: an espeak-ng voice, for instance ``en-gb`` or ``de``.
        words_per_minute: how fast.
        pause: seconds of silence after each sentence.
        lead: seconds of silence before the first one.

    Returns:
        Start and end of each sentence in seconds.
    """
    sentences = [text] if isinstance(text, str) else list(text)
    path.parent.mkdir(parents=True, exist_ok=True)
    order = [str(path), sentences, voice, words_per_minute, pause, lead]
    # in a process of its own: the library keeps all its state in globals, and aborts on trouble
    done = subprocess.run(
        [sys.executable, __file__],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode != 0:
        raise RuntimeError(f"espeak-ng failed: {done.stderr.strip()[-500:]}")
    return [(start, end) for start, end in json.loads(done.stdout)]


def _write(
    path: str, sentences: list[str], voice: str, words_per_minute: int, pause: float, lead: float
) -> list[tuple[float, float]]:
    rate, spoken = _synthesize(sentences, voice, words_per_minute)
    times: list[tuple[float, float]] = []
    sound = bytearray(2 * round(lead * rate))
    for samples in spoken:
        start = len(sound) / 2 / rate
        sound += samples
        times.append((start, len(sound) / 2 / rate))
        sound += bytes(2 * round(pause * rate))
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(sound)
    return times


def _synthesize(sentences: list[str], voice: str, words_per_minute: int) -> tuple[int, list[bytes]]:
    """Returns the sample rate and the samples (16 bits, mono) of each sentence."""
    import espeakng_loader

    espeak = ctypes.CDLL(espeakng_loader.get_library_path())
    sound = bytearray()

    @_Callback
    def take(samples: ctypes._Pointer, count: int, events: ctypes.c_void_p) -> int:
        if samples and count > 0:
            sound.extend(ctypes.string_at(samples, 2 * count))
        return 0

    data = espeakng_loader.get_data_path().encode()
    rate = espeak.espeak_Initialize(_RETRIEVAL, 0, data, 0)
    if rate <= 0:
        raise RuntimeError("espeak-ng does not start")
    if espeak.espeak_SetVoiceByName(voice.encode()) != 0:
        raise ValueError(f"espeak-ng has no voice {voice!r}")
    espeak.espeak_SetParameter(_RATE, words_per_minute, 0)
    espeak.espeak_SetSynthCallback(take)

    spoken = []
    for sentence in sentences:
        sound.clear()
        encoded = sentence.encode() + b"\0"
        espeak.espeak_Synth(encoded, len(encoded), 0, 0, 0, _UTF_8, None, None)
        espeak.espeak_Synchronize()
        spoken.append(bytes(sound))
    return rate, spoken


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_write(*json.loads(sys.stdin.read()))))
