"""Wall time of whole commands from a cold process, and what their imports cost.

python benchmarks/cold_commands.py INDEX
"""

from __future__ import annotations

import argparse
import sys

from measure import MMSEARCH, markdown, median_seconds

RUNS = 15
IMPORTS = (
    "numpy",
    "faiss",
    "onnxruntime",
    "tokenizers",
    "sqlite3",
    "sqlalchemy",
    "sqlalchemy.orm",
    "typer",
    "torch",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index")
    parser.add_argument("--query", default="a dog on a beach")
    arguments = parser.parse_args()
    empty = median_seconds([sys.executable, "-c", "pass"], runs=RUNS)
    commands = {
        "mmsearch --help": [*MMSEARCH, "--help"],
        "mmsearch query": [*MMSEARCH, "query", arguments.query, "--index", arguments.index],
        "mmsearch status": [*MMSEARCH, "status", "--index", arguments.index],
    }
    rows = [["python -c pass", f"{empty:.3f} s"]]
    for name, command in commands.items():
        rows.append([name, f"{median_seconds(command, runs=RUNS):.3f} s"])
    for module in IMPORTS:
        seconds = median_seconds([sys.executable, "-c", f"import {module}"], runs=5)
        rows.append([f"import {module} (beyond python -c pass)", f"{seconds - empty:.3f} s"])
    print(markdown([f"median of {RUNS} (imports: 5)", "wall time"], rows))


if __name__ == "__main__":
    main()
