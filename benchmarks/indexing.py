"""How fast a folder of photos becomes an index, against the encoder alone.

python benchmarks/indexing.py PHOTOS [--model MODEL]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from measure import MMSEARCH, markdown, run

ENCODER_ALONE = 512


def encoder_alone(model: str) -> float:
    """Images a second of the encoder on pixels that are ready, in its own batches."""
    from mmsearch.encoders.registry import load

    encoder = load(model)
    shape = (encoder.batch_size, encoder.transform.height, encoder.transform.width, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    encoder.encode_images(pixels)
    batches = ENCODER_ALONE // encoder.batch_size
    started = time.perf_counter()
    for _ in range(batches):
        encoder.encode_images(pixels)
    return batches * encoder.batch_size / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--model", default="embedded")
    arguments = parser.parse_args()
    alone_before = encoder_alone(arguments.model)
    with tempfile.TemporaryDirectory() as folder:
        command = [*MMSEARCH, "index", str(arguments.photos), "--index", f"{folder}/index"]
        first = run([*command, "--model", arguments.model, "--json"])
        again = run([*command, "--json"])
    alone = (alone_before + encoder_alone(arguments.model)) / 2
    report = json.loads(first.output)
    rate = report["items_per_second"]
    print(
        markdown(
            ["", "value"],
            [
                ["photos", report["added"]],
                ["failed", len(report["failed"])],
                ["photos a second, end to end", f"{rate:.0f}"],
                ["encoder alone, images a second", f"{alone:.0f}"],
                ["end to end / encoder alone", f"{rate / alone:.2f}"],
                ["peak memory", f"{first.peak_bytes / 1e6:.0f} MB"],
                ["wall time of the first run", f"{first.seconds:.1f} s"],
                ["wall time of a second run", f"{again.seconds:.2f} s"],
            ],
        )
    )


if __name__ == "__main__":
    main()
