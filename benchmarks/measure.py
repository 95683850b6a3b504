"""Runs commands and measures them from outside."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

MMSEARCH = (sys.executable, "-m", "mmsearch")


@dataclass(frozen=True)
class Measured:
    """One finished command: what it printed, wall seconds, peak resident memory in bytes."""

    output: str
    seconds: float
    peak_bytes: int


def run(command: Sequence[str]) -> Measured:
    """Runs a command to its end; raises if it fails."""
    started = time.perf_counter()
    process = psutil.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    peak = 0
    while process.poll() is None:
        try:
            peak = max(peak, process.memory_info().rss)
        except psutil.Error:
            break
        if _ended(process):
            break
    output, _ = process.communicate()
    seconds = time.perf_counter() - started
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, list(command))
    return Measured(output, seconds, peak)


def _ended(process: psutil.Popen) -> bool:
    try:
        process.wait(timeout=0.02)
    except psutil.TimeoutExpired:
        return False
    return True


def median_seconds(command: Sequence[str], *, runs: int) -> float:
    """Median wall time of a command, after one run that warms the file cache."""
    subprocess.run(command, check=True, capture_output=True)
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def markdown(heading: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
