"""How many processor cores this process may use."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@cache
def usable_cores() -> int:
    """The cores to share among all that computes: encoders, decoders.

    Those that the process is bound to (``taskset``), and no more than a container's quota
    (``docker run --cpus 2``, control groups version 2) pays for: more threads than that would be
    stopped in turns while the others wait for them.
    """
    try:
        cores = len(os.sched_getaffinity(0))  # type: ignore[attr-defined,unused-ignore]
    except AttributeError:  # macOS, Windows
        cores = os.cpu_count() or 1
    return max(1, min(cores, _quota() or cores))


def _quota() -> int | None:
    try:
        quota, period = _QUOTA.read_text(encoding="ascii").split()
        return -(-int(quota) // int(period))
    except (OSError, ValueError):  # none is set ("max"), or another system
        return None
