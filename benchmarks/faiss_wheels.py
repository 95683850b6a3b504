"""What the faiss-gpu wheel costs a cold query against the faiss-cpu wheel, where there is no GPU.

python -m pip install --no-deps --target faiss-cpu-wheel faiss-cpu
python benchmarks/faiss_wheels.py INDEX --cpu-wheel faiss-cpu-wheel
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

from measure import MMSEARCH, markdown

RUNS = 21


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index")
    parser.add_argument("--cpu-wheel", required=True, help="folder that holds the other wheel")
    arguments = parser.parse_args()
    commands = {
        "import numpy, faiss": [sys.executable, "-c", "import numpy, faiss"],
        "mmsearch query": [*MMSEARCH, "query", "a dog on a beach", "--index", arguments.index],
    }
    environments = {
        "faiss-gpu": dict(os.environ),
        "faiss-cpu": {**os.environ, "PYTHONPATH": arguments.cpu_wheel},
    }
    rows = []
    for name, command in commands.items():
        times: dict[str, list[float]] = {wheel: [] for wheel in environments}
        for _ in range(RUNS):  # in turns, so that both meet the same noise
            for wheel, environment in environments.items():
                started = time.perf_counter()
                subprocess.run(command, env=environment, check=True, capture_output=True)
                times[wheel].append(time.perf_counter() - started)
        gpu, cpu = (statistics.median(times[wheel]) for wheel in environments)
        rows.append([name, f"{gpu:.3f} s", f"{cpu:.3f} s", f"{gpu / cpu:.2f}"])
    print(markdown([f"median of {RUNS}", *environments, "ratio"], rows))


if __name__ == "__main__":
    main()
