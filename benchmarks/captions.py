"""How fast captions are added to photos that are indexed, and passages of text.

python benchmarks/captions.py FLICKR8K [--model MODEL]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from measure import MMSEARCH, Measured, markdown, run

ENCODER_ALONE = 2048
"""Captions that the encoder alone is timed on."""


def encoder_alone(model: str, captions: list[str]) -> float:
    """Captions a second of the text tower, in batches as indexing uses."""
    from mmsearch.encoders.registry import load
    from mmsearch.ingest.drafts import TEXT_BATCH

    encoder = load(model)
    encoder.encode_texts(captions[:TEXT_BATCH])
    started = time.perf_counter()
    for start in range(0, len(captions), TEXT_BATCH):
        encoder.encode_texts(captions[start : start + TEXT_BATCH])
    return len(captions) / (time.perf_counter() - started)


def add_captions(photos: Path, captions: Path, index: str, model: str) -> tuple[Measured, int]:
    """Indexes photos, then adds their captions; returns the second run and how many it added."""
    command = [*MMSEARCH, "index", str(photos), "--index", index, "--json"]
    run([*command, "--model", model])
    added = run([*command, "--captions", str(captions)])
    status = run([*MMSEARCH, "status", "--index", index, "--json"])
    return added, json.loads(status.output)["items"]["caption"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("flickr8k", type=Path)
    parser.add_argument("--model", default="embedded")
    arguments = parser.parse_args()
    names = (arguments.flickr8k / "test.txt").read_text().split()
    rows = [
        line.split("\t")[1] for line in (arguments.flickr8k / "captions.tsv").open() if "\t" in line
    ][1 : ENCODER_ALONE + 1]
    alone_before = encoder_alone(arguments.model, rows)
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        photos.mkdir()
        for name in names:
            (photos / name).symlink_to((arguments.flickr8k / "images" / name).absolute())
        added, captions = add_captions(
            photos, arguments.flickr8k / "captions.tsv", f"{folder}/index", arguments.model
        )
    alone = (alone_before + encoder_alone(arguments.model, rows)) / 2
    rate = json.loads(added.output)["items_per_second"]
    print(
        markdown(
            ["", "value"],
            [
                ["photos", len(names)],
                ["captions", captions],
                ["captions a second, end to end", f"{rate:.0f}"],
                ["text tower alone, captions a second", f"{alone:.0f}"],
                ["end to end / text tower alone", f"{rate / alone:.2f}"],
                ["wall time of the command", f"{added.seconds:.1f} s"],
                ["peak memory", f"{added.peak_bytes / 1e6:.0f} MB"],
            ],
        )
    )


if __name__ == "__main__":
    main()
