"""Checks that an installed wheel holds everything that the checkout's package holds.

Usage: python .ci/check_wheel.py FOLDER    (what `pip install --target FOLDER` made)
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

WEIGHTS = (".onnx", ".safetensors")
MOST_WEIGHTS = 45_000_000  # bytes; a package that people install with pip stays small


def problems(installed: Path) -> list[str]:
    """What is missing from, or wrong with, the package installed in a folder."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--", "mmsearch"], check=True, capture_output=True
    ).stdout.decode()
    tracked = [Path(name) for name in listing.split("\0") if name]
    found = [f"missing: {path}" for path in tracked if not (installed / path).is_file()]

    if not (installed / "mmsearch" / "py.typed").is_file():
        found.append("missing: py.typed, so users' type checkers would ignore the types")
    weights = [path for path in installed.rglob("*") if path.suffix in WEIGHTS]
    if not weights:
        found.append(f"no weights of the embedded encoder ({' or '.join(WEIGHTS)})")
    size = sum(path.stat().st_size for path in weights)
    if size > MOST_WEIGHTS:
        found.append(f"weights take {size} bytes, more than {MOST_WEIGHTS}")
    if not any(installed.glob("bin/mmsearch*")) and not any(installed.glob("Scripts/mmsearch*")):
        found.append("no command mmsearch")
    return found


if __name__ == "__main__":
    sys.exit("\n".join(problems(Path(sys.argv[1]))) or 0)
