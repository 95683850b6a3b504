"""What importing the faiss-gpu wheel takes against the faiss-cpu wheel, where there is no GPU.

python -m pip install --no-deps --target faiss-cpu-wheel faiss-cpu
python benchmarks/faiss_wheels.py --cpu-wheel faiss-cpu-wheel
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

from measure import markdown

RUNS = 21
COMMAND = [sys.executable, "-c", "import numpy, faiss"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cpu-wheel", required=True, help="folder that holds the other wheel")
    arguments = parser.parse_args()
    environments = {
        "faiss-gpu": dict(os.environ),
        "faiss-cpu": {**os.environ, "PYTHONPATH": arguments.cpu_wheel},
    }
    times: dict[str, list[float]] = {wheel: [] for wheel in environments}
    for _ in range(RUNS):  # in turns, so that both meet the same noise
        for wheel, environment in environments.items():
            started = time.perf_counter()
            subprocess.run(COMMAND, env=environment, check=True, capture_output=True)
            times[wheel].append(time.perf_counter() - started)
    gpu, cpu = (statistics.median(times[wheel]) for wheel in environments)
    row = ["import numpy, faiss", f"{gpu:.3f} s", f"{cpu:.3f} s", f"{gpu / cpu:.2f}"]
    print(markdown([f"median of {RUNS}", *environments, "ratio"], [row]))


if __name__ == "__main__":
    main()
