"""Size and speed of the embedded encoder on one core: what is loaded, the first run, later runs.

python benchmarks/embedded_latency.py [--weights DIR] [--runs N] [--json]

Each load and first run happens in a process of its own, with the files in the page cache. Times
are of tower and head together, without decoding photos; ``encode`` is the public interface, with
one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
QUERIES = (
    "a dog running on the beach",
    "two children play in the snow near a house",
    "a man with a camera",
    "black and white dogs fight over a ball",
    "a woman in a blue coat crosses the street",
)
FRESH = 5  # processes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, help="a folder that mmsearch.training has written")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", choices=("photo", "query"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one_process(arguments.one, arguments.weights, arguments.runs)))
        return
    figures: dict[str, object] = {"bytes": sizes(arguments.weights)}
    for kind in ("photo", "query"):
        runs = [fresh(kind, arguments) for _ in range(FRESH)]
        figures[kind] = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    print(json.dumps(figures, indent=2) if arguments.json else table(figures))


def sizes(weights: Path | None) -> dict[str, int]:
    from mmsearch.encoders.embedded.encoder import WEIGHTS
    from mmsearch.encoders.embedded.manifest import WEIGHT_FILES

    files = {name: ((weights or WEIGHTS) / name).stat().st_size for name in WEIGHT_FILES}
    return {**files, "all": sum(files.values())}


def fresh(kind: str, arguments: argparse.Namespace) -> dict[str, float]:
    """The figures of a process of its own, whose numpy uses one thread."""
    command = [sys.executable, __file__, "--one", kind, "--runs", str(arguments.runs)]
    if arguments.weights:
        command += ["--weights", str(arguments.weights)]
    environment = {**os.environ, **dict.fromkeys(ONE_THREAD, "1")}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def one_process(kind: str, weights: Path | None, runs: int) -> dict[str, float]:
    """Milliseconds: imports, loading with the first run, and the median of later runs."""
    started = time.perf_counter()
    import numpy as np
    import onnxruntime  # noqa: F401
    import tokenizers  # noqa: F401

    from mmsearch.encoders.embedded import EmbeddedEncoder
    from mmsearch.encoders.embedded.encoder import WEIGHTS

    imported = time.perf_counter()
    encoder = EmbeddedEncoder(threads=1, weights=weights or WEIGHTS)
    side = encoder.transform.height
    photos = np.random.default_rng(0).integers(0, 256, (5, 1, side, side, 3), dtype=np.uint8)

    def encode(number: int) -> object:
        if kind == "photo":
            return encoder.encode_images(photos[number % len(photos)])
        return encoder.encode_texts([QUERIES[number % len(QUERIES)]])

    first = milliseconds(encode, 0)
    times = [milliseconds(encode, number) for number in range(1, runs + 1)]
    warm = statistics.median(times[len(QUERIES) :] or times)
    return {
        "imports_ms": 1000 * (imported - started),
        "load_ms": first - warm,
        "first_ms": first,
        "warm_ms": warm,
        "best_ms": min(times),
    }


def milliseconds(call: Callable[[int], object], number: int) -> float:
    started = time.perf_counter()
    call(number)
    return 1000 * (time.perf_counter() - started)


def table(figures: dict[str, object]) -> str:
    from measure import markdown

    size = figures.pop("bytes")
    assert isinstance(size, dict)
    files = markdown(["file", "MB"], [[name, f"{count / 1e6:.2f}"] for name, count in size.items()])
    names = {
        "imports_ms": "imports",
        "load_ms": "load: the first, less a later one",
        "first_ms": "load and embed the first",
        "warm_ms": "embed another, median",
        "best_ms": "embed another, best",
    }
    rows = [
        [label, *(f"{found[name]:.1f} ms" for found in figures.values() if isinstance(found, dict))]
        for name, label in names.items()
    ]
    return files + "\n\n" + markdown(["one core", *figures], rows)


if __name__ == "__main__":
    main()
