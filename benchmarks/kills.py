"""Indexes a folder while being killed again and again; compares with an undisturbed run.

python benchmarks/kills.py PHOTOS [--model MODEL] [--kills 50] [--within SECONDS]
"""

from __future__ import annotations

import argparse
import random
import subprocess
import tempfile
import time
from pathlib import Path

from measure import MMSEARCH, markdown

import mmsearch

QUERIES = ("a dog on a beach", "two people", "snow", "a red car", "children playing football")


def answers(index: str) -> list[list[tuple[str, float]]]:
    """The hundred best hits of each query."""
    with mmsearch.open(Path(index)) as opened:
        return [
            sorted((str(hit.path), hit.score) for hit in opened.search(query, k=100))
            for query in QUERIES
        ]


def worst_difference(one: list[list[tuple[str, float]]], other: list[list[tuple[str, float]]]):
    """Hits that only one of the two has, and the largest difference of a common hit's score."""
    only = 0
    largest = 0.0
    for a, b in zip(one, other, strict=True):
        scores_a, scores_b = dict(a), dict(b)
        only += len(scores_a.keys() ^ scores_b.keys())
        common = scores_a.keys() & scores_b.keys()
        largest = max([largest, *(abs(scores_a[path] - scores_b[path]) for path in common)])
    return only, largest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--within", type=float, default=5.0, help="latest moment of a kill")
    arguments = parser.parse_args()
    generator = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:

        def command(index: str) -> list[str]:
            return [
                *(*MMSEARCH, "index", arguments.photos, "--index", f"{folder}/{index}"),
                *("--model", arguments.model, "--json"),
            ]

        subprocess.run(command("undisturbed"), check=True, capture_output=True)
        for _ in range(arguments.kills):
            process = subprocess.Popen(
                command("killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            time.sleep(generator.uniform(0, arguments.within))
            process.kill()
            process.wait()
        with mmsearch.open(Path(folder, "killed")) as opened:
            kept = opened.status().assets
            problems = opened.verify()
        subprocess.run(command("killed"), check=True, capture_output=True)
        only, largest = worst_difference(
            answers(f"{folder}/undisturbed"), answers(f"{folder}/killed")
        )
        with mmsearch.open(Path(folder, "killed")) as opened:
            assets = opened.status().assets
    print(
        markdown(
            ["", "value"],
            [
                [f"photos committed through {arguments.kills} kills", kept],
                ["problems found in the index then", len(problems)],
                ["photos after one undisturbed run more", assets],
                ["hits that only one of the two indexes returns", only],
                ["largest difference of a hit's score", f"{largest:.6f}"],
            ],
        )
    )


if __name__ == "__main__":
    main()
