"""How fast photos become an index, against rclip and against the limits of the machine.

python benchmarks/indexing.py --rclip VENV [--runs 3] [--small 1000] [--large 100] [--out DIR]
python benchmarks/indexing.py PHOTOS --model embedded

How to install rclip: see peer_rclip.py. Both programs index the same generated photos with the same
architecture and weights, in turns, each time into a new index. Rates leave out what starting
takes: it is measured on a folder with one photo. Without `--rclip`, mmsearch alone is measured, on
a folder of one's own if one is named.

The limits, in photos a second: the encoder alone, by the engine that indexing takes, on pixels that
are ready, two batches under way so that no core waits for the end of one; the decoders alone; and
both on the same cores with nothing lost (1 / (1 / encoder + 1 / decoder)).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import peer_rclip
from measure import MMSEARCH, markdown
from peer_rclip import Peer
from photos import make_photos

ENCODER_ALONE = 384
QUERY = "a dog on a beach"

# Runs in a process of its own, as the commands do: torch keeps threads and memory.
LIMITS = """
import json, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import numpy as np
from mmsearch.cores import usable_cores
from mmsearch.encoders.base import expect_images
from mmsearch.encoders.registry import load
from mmsearch.ingest.decoders import Decoders
from mmsearch.ingest.photo import PhotoWish

model, folder, count, decoded = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
cores = usable_cores()
encoder = load(model)
expect_images(encoder, decoded, cores)
shape = (encoder.transform.height, encoder.transform.width, 3)
pixels = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)
def encode():
    size = encoder.batch_size
    batches = [pixels[start : start + size] for start in range(0, count, size)]
    with ThreadPoolExecutor(2) as callers:
        list(callers.map(encoder.encode_images, batches))
for _ in range(2):  # the first batches try sizes out
    encode()
started = time.perf_counter()
encode()
encoding = count / (time.perf_counter() - started)
files = sorted(path for path in folder.rglob("*") if path.is_file())
wish = PhotoWish(encoder.transform, 200.0, fingerprint=True)
def read(path):
    return decode(path.read_bytes(), path.suffix, wish)
with Decoders(cores) as decode, ThreadPoolExecutor(cores + 2) as threads:
    list(threads.map(read, files[:8]))
    started = time.perf_counter()
    list(threads.map(read, files))
    decoding = len(files) / (time.perf_counter() - started)
print(json.dumps({"encoder": encoding, "decoders": decoding}))
"""


@dataclass
class Program:
    """One program on one folder; rates and seconds of each run."""

    rates: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """The median."""
        return statistics.median(self.rates)


@dataclass
class Result:
    """One folder of photos."""

    name: str
    photos: int
    mean_bytes: int
    mmsearch: Program = field(default_factory=Program)
    rclip: Program = field(default_factory=Program)
    encoder: float = 0.0
    decoders: float = 0.0

    @property
    def both(self) -> float:
        """The limit with all cores busy and nothing lost."""
        return 1 / (1 / self.encoder + 1 / self.decoders)


class Bench:
    """Runs both programs."""

    def __init__(self, scratch: Path, model: str, peer: Peer | None) -> None:
        self._scratch = scratch
        self._model = model
        self._peer = peer
        # What mmsearch keeps between runs (engines that were tried) it may keep here too.
        self._environment = {**os.environ, "MMSEARCH_CACHE": str(scratch / "cache")}

    def mmsearch(self, folder: Path) -> float:
        """Seconds to make a new index of a folder."""
        index = self._scratch / "index"
        shutil.rmtree(index, ignore_errors=True)
        command = [*MMSEARCH, "index", str(folder), "--index", str(index), "--json"]
        return self._seconds([*command, "--model", self._model], folder, self._environment)

    def rclip(self, folder: Path) -> float:
        """Seconds to make a new index of a folder, and to answer one query by it."""
        assert self._peer is not None
        home = self._scratch / "rclip"
        shutil.rmtree(home, ignore_errors=True)
        command = self._peer.command(QUERY, index=True)
        return self._seconds(command, folder, dict(self._peer.environment(home)))

    def limits(self, folder: Path, count: int) -> dict[str, float]:
        """Photos a second of mmsearch's encoder and of its decoders, each alone."""
        command = [sys.executable, "-c", LIMITS, self._model, str(folder)]
        output = subprocess.run(
            [*command, str(ENCODER_ALONE), str(count)],
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._environment,
        ).stdout
        found: dict[str, float] = json.loads(output)
        return found

    @staticmethod
    def _seconds(command: list[str], folder: Path, environment: dict[str, str]) -> float:
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, cwd=folder, env=environment)
        return time.perf_counter() - started


def measure(bench: Bench, result: Result, folder: Path, one: Path, runs: int, peer: bool) -> None:
    """Fills a result in, the programs taking turns."""
    programs = [(bench.mmsearch, result.mmsearch)]
    if peer:
        programs.append((bench.rclip, result.rclip))
    for run, program in programs:
        program.seconds.append(min(run(one) for _ in range(2)))  # the first warms caches
    for _ in range(runs):
        for run, program in programs:
            seconds = run(folder)
            program.seconds.append(seconds)
            program.rates.append((result.photos - 1) / (seconds - program.seconds[0]))
    limits = bench.limits(folder, result.photos)
    result.encoder, result.decoders = limits["encoder"], limits["decoders"]


def rows(result: Result) -> list[list[object]]:
    ours, peer = result.mmsearch, result.rclip
    lines: list[list[object]] = [
        ["mmsearch, photos a second", f"{ours.rate:.1f}"],
        ["mmsearch, the whole command", f"{statistics.median(ours.seconds[1:]):.1f} s"],
        ["mmsearch, the same with one photo", f"{ours.seconds[0]:.1f} s"],
    ]
    if peer.rates:
        whole = statistics.median(peer.seconds[1:])
        lines += [
            ["rclip, photos a second", f"{peer.rate:.1f}"],
            ["rclip, the whole command", f"{whole:.1f} s"],
            ["rclip, the same with one photo", f"{peer.seconds[0]:.1f} s"],
            ["**mmsearch / rclip, photos a second**", f"**{ours.rate / peer.rate:.2f}**"],
        ]
    return [
        *lines,
        ["encoder alone", f"{result.encoder:.1f}"],
        ["decoders alone", f"{result.decoders:.1f}"],
        ["both on the same cores, nothing lost", f"{result.both:.1f}"],
        ["mmsearch / encoder alone", f"{ours.rate / result.encoder:.2f}"],
        ["mmsearch / nothing lost", f"{ours.rate / result.both:.2f}"],
    ]


def plot(results: list[Result], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(results), 3.4), layout="constrained")
    for number, result in enumerate(results, start=1):
        axes = figure.add_subplot(1, len(results), number)
        bars = {"mmsearch": result.mmsearch.rate}
        if result.rclip.rates:
            bars = {"rclip": result.rclip.rate, **bars}
        bars |= {"nothing lost": result.both, "encoder\nalone": result.encoder}
        colours = ["#4c78a8" if name in ("rclip", "mmsearch") else "#c7c7c7" for name in bars]
        drawn = axes.bar(list(bars), list(bars.values()), color=colours)
        axes.bar_label(drawn, fmt="%.0f")
        axes.set_title(f"{result.photos} photos, {result.name}", fontsize=10)
        axes.set_ylabel("photos a second")
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def folders(scratch: Path, arguments: argparse.Namespace) -> list[tuple[Result, Path]]:
    """The folders to index: the one that was named, or generated ones."""
    if arguments.photos:
        sizes = [path.stat().st_size for path in arguments.photos.rglob("*") if path.is_file()]
        name = arguments.photos.name
        return [(Result(name, len(sizes), sum(sizes) // len(sizes)), arguments.photos.absolute())]
    found = []
    if arguments.small:
        small = scratch / "small"
        size = make_photos(small, arguments.small, width=640, height=480, quality=80)
        found.append((Result(f"640 x 480, {size // 1000} kB", arguments.small, size), small))
    if arguments.large:
        large = scratch / "large"
        size = make_photos(large, arguments.large, width=4000, height=3000, quality=90)
        found.append((Result(f"12 megapixels, {size / 1e6:.1f} MB", arguments.large, size), large))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, nargs="?", help="photos of one's own")
    parser.add_argument("--model", help="what mmsearch runs (default: the same as rclip)")
    parser.add_argument("--small", type=int, default=1000, help="photos of 640 x 480")
    parser.add_argument("--large", type=int, default=100, help="photos of 12 megapixels")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path, help="folder to write indexing.json and .png into")
    peer_rclip.add_arguments(parser)
    arguments = parser.parse_args()
    peer = peer_rclip.from_arguments(arguments)
    model = arguments.model or (peer.model if peer else "embedded")
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        one = scratch / "one"
        make_photos(one, 1, width=640, height=480, quality=80)
        bench = Bench(scratch, model, peer)
        results = []
        for result, photos in folders(scratch, arguments):
            measure(bench, result, photos, one, arguments.runs, peer is not None)
            heading = [f"{result.photos} photos, {result.name}; median of {arguments.runs}", ""]
            print(markdown(heading, rows(result)), end="\n\n", flush=True)
            results.append(result)
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        values = [{**asdict(result), "nothing_lost": result.both} for result in results]
        text = json.dumps({"model": model.partition(":")[0], "folders": values}, indent=2)
        (arguments.out / "indexing.json").write_text(text + "\n", encoding="utf-8")
        plot(results, arguments.out / "indexing.png")


if __name__ == "__main__":
    main()
