"""A text query from a cold process and through the running server, side by side with rclip.

python benchmarks/cold_query.py --rclip VENV [--photos 10000] [--runs 15] [--out docs/benchmarks]

How to install rclip: see peer_rclip.py. Both search the same photos with the same architecture and
the same random weights; the photos' embeddings are made up and written into both indexes, since
embedding 10,000 photos with rclip takes ten minutes and changes nothing about a query. The commands
take turns, so that both meet the machine in the same state.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

import peer_rclip
from measure import MMSEARCH, markdown

QUERIES = (
    "a dog on a beach",
    "children playing football",
    "snow on a mountain",
    "a red car in the city at night",
    "people eating at a table",
)
WARM_RUNS = 200
INSERT = """
import sys, numpy as np
from rclip.db import DB
database = DB(sys.argv[1])
vectors = np.load(sys.argv[2])
for line, vector in zip(sys.stdin, vectors, strict=True):
    image = {"filepath": line.rstrip("\\n"), "modified_at": 0.0, "size": 1, "hash": None}
    database.upsert_image({**image, "vector": vector.tobytes()}, commit=False)
database.close()
"""


@dataclass(frozen=True)
class Side:
    """Cold queries of one tool.

    Attributes:
        seconds: wall time of each run.
        peak_bytes: peak resident memory of each run.
    """

    seconds: list[float]
    peak_bytes: list[int]

    @property
    def wall(self) -> float:
        """Median seconds."""
        return statistics.median(self.seconds)

    @property
    def peak(self) -> float:
        """Median peak in MB."""
        return statistics.median(self.peak_bytes) / 1e6


def prepare(folder: Path, peer: peer_rclip.Peer, count: int) -> None:
    """Makes photos, and an index of each tool with made-up embeddings of them."""
    import numpy as np
    from PIL import Image

    import mmsearch
    from mmsearch.encoders.registry import load

    generator = np.random.default_rng(0)
    photos = folder / "photos"
    photos.mkdir(parents=True)
    for number in range(count):
        pixels = generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        path = photos / f"{number // 1000:03}" / f"{number:06}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).resize((64, 48)).save(path)
    encoder = load(peer.model, device="cpu")
    vectors = generator.standard_normal((count, encoder.dim), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with mmsearch.create(folder / "index", model=encoder) as index:
        index.add(photos / "000" / "000000.jpg")
    with mmsearch.open(folder / "index", encoder=_MadeUp(encoder, vectors)) as index:
        index.add(photos)

    np.save(folder / "vectors.npy", vectors)
    home = folder / "rclip"
    peer.environment(home)
    files = "".join(f"{path}\n" for path in sorted(photos.rglob("*.jpg")))
    python = Path(peer.program).with_name("python")
    insert = [str(python), "-c", INSERT, str(home / "db.sqlite3"), str(folder / "vectors.npy")]
    subprocess.run(insert, input=files, text=True, check=True)


class _MadeUp:
    """Passes for an encoder, and gives photos embeddings that were made up."""

    def __init__(self, encoder, vectors) -> None:  # type: ignore[no-untyped-def]
        self._encoder = encoder
        self._vectors = iter(vectors)

    def __getattr__(self, name: str) -> object:
        return getattr(self._encoder, name)

    def encode_images(self, pixels):  # type: ignore[no-untyped-def]
        import numpy as np

        return np.stack([next(self._vectors) for _ in pixels])


def measured(
    command: Sequence[str], environment: Mapping[str, str], cwd: Path
) -> tuple[float, int]:
    """Wall seconds and peak resident bytes of one command; raises if it fails.

    This process must be small: a child's peak counts what it had before it became the command.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or not output.strip():
        raise SystemExit(f"{' '.join(command)} failed, or found nothing.")
    return seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@contextmanager
def server(index: Path, cwd: Path) -> Iterator[tuple[str, int]]:
    """A server of the index, as the command line starts it; gives its host and port."""
    start = [*MMSEARCH, "serve", "--background", "--port", "0", "--index", str(index), "--json"]
    started = json.loads(subprocess.run(start, cwd=cwd, check=True, capture_output=True).stdout)
    host, _, port = started["url"].removeprefix("http://").rstrip("/").partition(":")
    try:
        yield host, int(port)
    finally:
        subprocess.run([*MMSEARCH, "stop"], cwd=cwd, check=True, capture_output=True)


def warm_requests(host: str, port: int, index: str) -> list[float]:
    """Seconds of each of many searches over one connection, after some that warm it up."""
    connection = HTTPConnection(host, port)
    seconds = []
    for run in range(WARM_RUNS + 20):
        query = quote(f"{QUERIES[run % len(QUERIES)]} {run}")
        started = time.perf_counter()
        connection.request("GET", f"/api/v1/indexes/{index}/search?q={query}&k=10")
        answer = connection.getresponse()
        body = answer.read()
        seconds.append(time.perf_counter() - started)
        if answer.status != 200:
            raise SystemExit(body.decode())
    return seconds[20:]


def compare(folder: Path, peer: peer_rclip.Peer, runs: int) -> dict[str, Side]:
    """Cold queries of both, in turn, and through the server."""
    photos, index = folder / "photos", str(folder / "index")
    environment = peer.environment(folder / "rclip")
    sides: dict[str, list[tuple[float, int]]] = {"rclip": [], "mmsearch": [], "through server": []}
    for run in range(runs + 1):
        query = QUERIES[run % len(QUERIES)]
        sides["rclip"].append(measured(peer.command(query, index=False), environment, photos))
        ours = [*MMSEARCH, "query", query, "--all", "--index", index]
        sides["mmsearch"].append(measured(ours, os.environ, photos))
    with server(folder / "index", photos):
        for run in range(runs + 1):
            ours = [*MMSEARCH, "query", QUERIES[run % len(QUERIES)], "--all", "--index", index]
            sides["through server"].append(measured(ours, os.environ, photos))
    # The first run of each warms the system's file cache.
    return {
        name: Side([seconds for seconds, _ in all_[1:]], [peak for _, peak in all_[1:]])
        for name, all_ in sides.items()
    }


def draw(sides: Mapping[str, Side], path: Path) -> None:
    """Wall time and peak memory beside each other."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 2.6), layout="constrained")
    axes = figure.subplots(1, 2)
    names = list(sides)
    colours = ["#9aa0a6" if name == "rclip" else "#1a73e8" for name in names]
    panels = (
        ("wall time, seconds", [side.wall for side in sides.values()], "{:.2f}"),
        ("peak memory, MB", [side.peak for side in sides.values()], "{:.0f}"),
    )
    for axis, (title, values, form) in zip(axes, panels, strict=True):
        bars = axis.barh(names, values, color=colours)
        axis.bar_label(bars, fmt=form, padding=3)
        axis.set_title(title, fontsize=10)
        axis.invert_yaxis()
        axis.spines[["top", "right"]].set_visible(False)
        axis.margins(x=0.15)
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    peer_rclip.add_arguments(parser)
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--work", type=Path, help="keeps the indexes here, for another run")
    parser.add_argument("--out", type=Path, help="where cold-query.json and .svg are written")
    parser.add_argument("--prepare", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.prepare:
        prepare(arguments.work, peer_rclip.from_arguments(arguments), arguments.photos)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = (arguments.work or Path(scratch) / "work").absolute()
        if not (folder / "vectors.npy").is_file():
            # In a process of its own, so that this one stays small: see `measured`.
            given = [sys.executable, *sys.argv, "--prepare", "--work", str(folder)]
            subprocess.run(given, check=True)
        peer = peer_rclip.from_arguments(arguments)
        if peer is None:
            parser.error("--rclip names the virtual environment of the peer")
        sides = compare(folder, peer, arguments.runs)
        with server(folder / "index", folder) as (host, port):
            warm = warm_requests(host, port, "index")
    report(sides, warm, arguments)


def report(sides: Mapping[str, Side], warm: Sequence[float], arguments: argparse.Namespace) -> None:
    """Prints the ratios, and writes the JSON and the plot."""
    rclip, ours, through = (sides[name] for name in ("rclip", "mmsearch", "through server"))
    p50, p99 = statistics.median(warm), statistics.quantiles(warm, n=100)[98]
    rows = [
        [
            "wall time, cold",
            *(f"{side.wall:.3f} s" for side in (rclip, ours)),
            _ratio(ours.wall, rclip.wall),
        ],
        [
            "peak memory, cold",
            *(f"{side.peak:.0f} MB" for side in (rclip, ours)),
            _ratio(ours.peak, rclip.peak),
        ],
        [
            "wall time through the server",
            "-",
            f"{through.wall:.3f} s",
            _ratio(through.wall, rclip.wall),
        ],
        ["a request to the server, p50 (p99)", "-", f"{p50 * 1e3:.1f} ms ({p99 * 1e3:.1f})", "-"],
    ]
    print(
        markdown(
            [
                f"{arguments.photos} photos, median of {arguments.runs}",
                "rclip",
                "mmsearch",
                "ratio",
            ],
            rows,
        )
    )
    if arguments.out is None:
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    content = {
        "photos": arguments.photos,
        "runs": arguments.runs,
        "cold": {name: asdict(side) for name, side in sides.items()},
        "ratios": {"wall": ours.wall / rclip.wall, "peak": ours.peak / rclip.peak},
        "request_ms": {"p50": p50 * 1e3, "p99": p99 * 1e3},
    }
    (arguments.out / "cold-query.json").write_text(json.dumps(content, indent=2) + "\n")
    draw(sides, arguments.out / "cold-query.svg")


def _ratio(ours: float, theirs: float) -> str:
    return f"{ours / theirs:.2f}"


if __name__ == "__main__":
    main()
