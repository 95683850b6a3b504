"""Word error rate and speed of speech recognition.

python benchmarks/word_error_rate.py SPEECH [--speech-model MODEL] [--long MINUTES]

SPEECH is a folder with `ljspeech/` (flac files and metadata.csv), `librivox/` (wav files with
their text beside them) and `jfk.flac`. With --long, the recordings are also joined in random
order, with pauses, to one of so many minutes. Case, punctuation and the way of writing numbers
and titles do not count as errors.
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
import time
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from measure import markdown

from mmsearch.media.audio import SAMPLE_RATE, decode_audio
from mmsearch.media.speech.models import resolve
from mmsearch.media.speech.recognise import SpeechRecogniser

JFK = (
    "And so my fellow Americans, ask not what your country can do for you, ask what you can do "
    "for your country."
)
PAUSES = (0.2, 0.5, 1.0, 3.0, 8.0)  # seconds
WRITTEN = {"mr": "mister", "mrs": "missus", "dr": "doctor", "st": "saint"}
ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)  # fmt: skip
TENS = (
    "zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
)  # fmt: skip
ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip


@dataclass(frozen=True)
class Recording:
    """A recording, and what is said in it."""

    collection: str
    path: Path
    text: str


def recordings(folder: Path) -> Iterator[Recording]:
    for line in (folder / "ljspeech" / "metadata.csv").read_text("utf-8").splitlines():
        name, _, spoken = line.split("|")
        yield Recording("LJ Speech", folder / "ljspeech" / f"{name}.flac", spoken)
    for path in sorted((folder / "librivox").glob("*.wav")):
        yield Recording("LibriVox", path, path.with_suffix(".txt").read_text("utf-8"))
    yield Recording("speech of J. F. Kennedy", folder / "jfk.flac", JFK)


def normalised(text: str) -> list[str]:
    """The words as they are spoken: lower case, no punctuation, numbers in words."""
    words: list[str] = []
    for word in re.findall(r"[a-z']+|\d+(?:st|nd|rd|th)?", text.lower()):
        number = re.match(r"\d+", word)
        if number is None:
            words.append(WRITTEN.get(word, word.strip("'")))
            continue
        words += spoken_number(int(number[0]))
        if len(number[0]) < len(word):
            last = words[-1]
            words[-1] = ORDINALS.get(last, (f"{last[:-1]}ie" if last[-1] == "y" else last) + "th")
    return [word for word in words if word]


def spoken_number(number: int) -> list[str]:
    """Says a number in words, those of four digits as years."""
    if number < 20:
        return [ONES[number]]
    if number < 100:
        return [TENS[number // 10], *([ONES[number % 10]] if number % 10 else [])]
    if 1100 <= number < 2000 and number % 100 >= 10:
        return [*spoken_number(number // 100), *spoken_number(number % 100)]
    for size, name in ((1_000_000, "million"), (1000, "thousand"), (100, "hundred")):
        if number >= size:
            rest = spoken_number(number % size) if number % size else []
            return [*spoken_number(number // size), name, *rest]
    raise AssertionError(number)


def errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Words to put in, take out or change to turn one text into the other."""
    costs = list(range(len(heard) + 1))
    for i, word in enumerate(said, start=1):
        diagonal, costs[0] = costs[0], i
        for j, other in enumerate(heard, start=1):
            best = min(costs[j] + 1, costs[j - 1] + 1, diagonal + (word != other))
            diagonal, costs[j] = costs[j], best
    return costs[-1]


def transcribe(recogniser: SpeechRecogniser, path: Path) -> tuple[str, float, float]:
    """Returns what is heard, the seconds it took, and the seconds of the recording."""
    started = time.perf_counter()
    chunks = list(recogniser.chunks(path, fits=lambda text: True))
    text = " ".join(passage.text for chunk in chunks for passage in chunk.passages)
    return text, time.perf_counter() - started, chunks[-1].end


def join(parts: Sequence[Recording], minutes: float, path: Path) -> str:
    """Writes a long recording; returns what is said in it."""
    choose = random.Random(0)
    sounds = {part: np.concatenate(list(decode_audio(part.path))) for part in parts}
    said, seconds = [], 0.0
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        while seconds < minutes * 60:
            part = choose.choice(list(parts))
            silence = np.zeros(round(choose.choice(PAUSES) * SAMPLE_RATE))
            sound = np.concatenate([sounds[part], silence])
            file.writeframes((sound * 32767).astype("<i2").tobytes())
            said.append(part.text)
            seconds += len(sound) / SAMPLE_RATE
    return " ".join(said)


def row(name: str, said: list[str], wrong: int, heard: float, took: float) -> list[object]:
    rate = f"{100 * wrong / len(said):.1f} %"
    return [name, f"{heard:,.0f} s", f"{len(said):,}", wrong, rate, f"{heard / took:.1f}"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("speech", type=Path)
    parser.add_argument("--speech-model", default="auto")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--long", type=float, metavar="MINUTES")
    arguments = parser.parse_args()
    model = resolve(arguments.speech_model, device=arguments.device)
    recogniser = SpeechRecogniser(model, arguments.device)
    known = list(recordings(arguments.speech))
    transcribe(recogniser, known[0].path)  # loads the model

    rows = []
    for name in dict.fromkeys(recording.collection for recording in known):
        said: list[str] = []
        wrong, heard, took = 0, 0.0, 0.0
        for recording in known:
            if recording.collection == name:
                text, seconds, duration = transcribe(recogniser, recording.path)
                words = normalised(recording.text)
                said += words
                wrong += errors(words, normalised(text))
                took, heard = took + seconds, heard + duration
        rows.append(row(name, said, wrong, heard, took))
    if arguments.long:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "long.wav"
            words = normalised(join(known, arguments.long, path))
            text, took, heard = transcribe(recogniser, path)
            wrong = errors(words, normalised(text))
            rows.append(row("joined to one recording", words, wrong, heard, took))
    heading = ["", "length", "words", "errors", "word error rate", "x real time"]
    print(f"{model.id}\n\n{markdown(heading, rows)}\n")
    print(f"peak memory {peak_bytes() / 1e6:,.0f} MB")


def peak_bytes() -> int:
    """Highest resident memory of this process so far, where the system tells, else the present."""
    memory = psutil.Process().memory_info()
    try:
        import resource
    except ImportError:  # Windows
        return int(memory.peak_wset)
    import sys

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    main()
