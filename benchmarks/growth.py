"""Whether time per photo grows with the index, and how long an unchanged tree takes to check.

python benchmarks/growth.py [--photos 50000] [--out docs/benchmarks]

Tiny photos and the testing encoder: all that is left is what mmsearch itself does for each photo,
so that growth shows more clearly than under any real encoder.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from measure import MMSEARCH, markdown

import mmsearch
from mmsearch.testing import make_photo

PER_FOLDER = 500
STEP = 1000


def make_tree(root: Path, count: int) -> None:
    photo = make_photo(root / "one.png", "red", size=(8, 8)).read_bytes()
    (root / "one.png").unlink()
    for number in range(count):
        folder = root / f"{number // PER_FOLDER:03}"
        folder.mkdir(exist_ok=True)
        # Bytes after the end of a PNG are ignored: each file has content of its own.
        (folder / f"{number}.png").write_bytes(photo + str(number).encode())


def index_tree(root: Path, where: Path) -> list[tuple[int, float]]:
    """Photos and seconds since the beginning, at every step."""
    moments = []

    def note(done: float, _total: int) -> None:
        if done and done % STEP == 0:
            moments.append((int(done), time.perf_counter() - started))

    with mmsearch.create(where, model="testing") as index:
        started = time.perf_counter()
        index.add(root, progress=note)
    return moments


def milliseconds(moments: list[tuple[int, float]], first: int, last: int) -> float:
    """Per photo, between two counts."""
    at = dict(moments)
    return 1000 * (at[last] - at[first]) / (last - first)


def plot(moments: list[tuple[int, float]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.add_subplot()
    pairs = list(pairwise(moments))
    axes.plot(
        [count for (_, _), (count, _) in pairs],
        [1000 * (later - sooner) / STEP for (_, sooner), (_, later) in pairs],
    )
    axes.set_ylim(bottom=0)
    axes.set_xlabel("photos in the index")
    axes.set_ylabel("ms for each further photo")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=50_000)
    parser.add_argument("--out", type=Path, help="folder to write growth.json and .png into")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, where = Path(folder) / "photos", Path(folder) / "index"
        root.mkdir()
        make_tree(root, arguments.photos)
        moments = index_tree(root, where)
        command = [*MMSEARCH, "index", str(root), "--index", str(where), "--json"]
        started = time.perf_counter()
        again = subprocess.run(command, check=True, capture_output=True, text=True)
        unchanged = time.perf_counter() - started
    report = json.loads(again.stdout)
    assert report["unchanged"] == arguments.photos
    part = arguments.photos // 5
    early = milliseconds(moments, STEP, STEP + part)
    late = milliseconds(moments, arguments.photos - part, arguments.photos)
    values = {
        "photos": arguments.photos,
        "early_ms": early,
        "late_ms": late,
        "unchanged_command_s": unchanged,
        "unchanged_run_s": report["seconds"],
        "moments": moments,
    }
    print(
        markdown(
            [f"{arguments.photos} tiny photos, encoder `testing`", ""],
            [
                [f"ms a photo, from {STEP} to {STEP + part}", f"{early:.2f}"],
                [f"ms a photo, the last {part}", f"{late:.2f}"],
                ["growth", f"{100 * (late / early - 1):+.0f}%"],
                ["checking the unchanged tree: the run", f"{report['seconds']:.2f} s"],
                ["checking the unchanged tree: the whole command", f"{unchanged:.2f} s"],
            ],
        )
    )
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(values, indent=2)
        (arguments.out / "growth.json").write_text(text + "\n", encoding="utf-8")
        plot(moments, arguments.out / "growth.png")


if __name__ == "__main__":
    main()
