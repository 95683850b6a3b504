"""Indexes a long recording while killing it again and again; compares with an undisturbed run.

python benchmarks/long_recording.py SPEECH [--minutes 120] [--kills 5]

SPEECH is a folder of recordings; they are joined with pauses until the length is reached.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import tempfile
import time
from itertools import cycle
from pathlib import Path

import numpy as np
from measure import MMSEARCH, markdown, run

import mmsearch


def join(folder: Path, target: Path, minutes: float) -> float:
    """Writes the recordings one after the other into a wav file; returns its seconds."""
    import wave

    from mmsearch.media.audio import SAMPLE_RATE, decode_audio

    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".flac", ".wav"))
    sounds = [np.concatenate(list(decode_audio(path))) for path in paths]
    generator = random.Random(0)
    written = 0
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        for sound in cycle(sounds):
            pause = np.zeros(round(generator.uniform(0.3, 2) * SAMPLE_RATE), np.float32)
            samples = (np.concatenate([sound, pause]) * 32767).astype("<i2")
            file.writeframes(samples.tobytes())
            written += len(samples)
            if written >= minutes * 60 * SAMPLE_RATE:
                return written / SAMPLE_RATE
    return 0.0


def transcript(index: Path) -> list[tuple[float | None, float | None, str | None]]:
    """Start, end and text of every passage, in order."""
    with mmsearch.open(index) as opened:
        hits = opened.search("x", modality="transcript", k=100_000, grouped=False)
    return sorted((hit.start, hit.end, hit.text) for hit in hits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("speech", type=Path)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--kills", type=int, default=5)
    arguments = parser.parse_args()
    generator = random.Random(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seconds = join(arguments.speech, folder / "long.wav", arguments.minutes)

        def command(index: str) -> list[str]:
            where = ["--index", str(folder / index), "--model", "embedded", "--json"]
            return [*MMSEARCH, "index", str(folder / "long.wav"), *where]

        undisturbed = run(command("undisturbed"))
        latest = undisturbed.seconds / (arguments.kills + 1)
        started = time.perf_counter()
        for _ in range(arguments.kills):
            process = subprocess.Popen(
                command("killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            time.sleep(generator.uniform(latest / 2, latest))
            process.kill()
            process.wait()
        run(command("killed"))
        killed = time.perf_counter() - started
        whole, resumed = transcript(folder / "undisturbed"), transcript(folder / "killed")
    print(
        markdown(
            ["", "value"],
            [
                ["recording", f"{seconds / 60:.0f} min"],
                ["indexed in", f"{undisturbed.seconds:.0f} s"],
                ["times faster than it is spoken", f"{seconds / undisturbed.seconds:.0f}"],
                ["peak memory", f"{undisturbed.peak_bytes / 1e6:.0f} MB"],
                ["passages", len(whole)],
                [f"with {arguments.kills} kills, indexed in", f"{killed:.0f} s"],
                ["passages that differ", len(set(whole) ^ set(resumed))],
            ],
        )
    )


if __name__ == "__main__":
    main()
