"""Chooses the engine that has a number of images embedded soonest.

What it costs to get an engine going counts as well as its rate. Nobody knows the rate of an engine
on a machine that it was not tried on; so one is tried when the work is ten times as long as that
takes, and what was measured is kept in the user's cache for the next time.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch

from mmsearch.encoders.engines import exported, packed
from mmsearch.encoders.engines.base import Engine, Tower
from mmsearch.encoders.engines.streams import Streams
from mmsearch.errors import SettingsError

_log = logging.getLogger(__name__)

_TRIAL = 10
"""An engine is tried where the work takes so many times as long as trying it."""

_MEASURED_IMAGES = 32  # a thread, after as many that warm it up

TORCH = Engine("torch", lambda _: True, packed.start, seconds=1, again=1)
ENGINES = (
    TORCH,
    Engine(
        "onnxruntime",
        exported.onnxruntime_fits,
        exported.start_onnxruntime,
        seconds=12,
        again=2,
    ),
    Engine("openvino", exported.openvino_fits, exported.start_openvino, seconds=15, again=4),
)


def choose(tower: Tower, count: int, *, wanted: str = "auto") -> Streams:
    """Gets the engine going that suits best.

    Args:
        tower: to run.
        count: how many images are to come.
        wanted: the setting ``engine``: ``auto``, or the name of one of `ENGINES`.

    Raises:
        SettingsError: there is no such engine, or it does not run here.
    """
    if wanted != "auto":
        return _start_wanted(tower, wanted)
    base = _start(tower, TORCH)
    others = [engine for engine in ENGINES if engine is not TORCH and engine.fits(tower)]
    notes = _Notes(tower)
    rates = dict(notes.rates)
    running = {TORCH.name: base}
    for engine in others:
        if engine.name not in rates and count > _TRIAL * engine.seconds * _likely_rate(tower):
            if TORCH.name not in rates:
                rates[TORCH.name] = _measure(tower, base)
            streams = _try(tower, engine)
            rates[engine.name] = _measure(tower, streams) if streams else 0.0
            if streams:
                running[engine.name] = streams
    notes.keep(rates)
    known = [engine for engine in (TORCH, *others) if rates.get(engine.name)] or [TORCH]

    def seconds(engine: Engine) -> float:
        """Until the last image is embedded."""
        start = 0 if engine.name in running else engine.again
        return start + count / rates.get(engine.name, 1.0)

    best = min(known, key=seconds)
    _log.info("%s runs by %s; images a second: %s", tower.name, best.name, rates)
    chosen = running.pop(best.name, None) or _try(tower, best) or running.pop(TORCH.name)
    for unused in running.values():
        unused.close()
    return chosen


def _likely_rate(tower: Tower) -> float:
    """Images a second of a fast processor and a small tower, for what was never measured."""
    return (8.0 if tower.is_float32 else 30.0) * tower.cores


def _start_wanted(tower: Tower, wanted: str) -> Streams:
    for engine in ENGINES:
        if engine.name == wanted:
            try:
                return _start(tower, engine)
            except Exception as error:  # as in _try
                raise SettingsError(
                    f"The engine {wanted!r} does not run {tower.name} here ({error}); set engine "
                    "(MMSEARCH_ENGINE) to auto."
                ) from error
    known = ", ".join(engine.name for engine in ENGINES)
    raise SettingsError(f"There is no engine {wanted!r}; known are auto, {known}.")


def _start(tower: Tower, engine: Engine) -> Streams:
    return Streams(engine.start(tower), tower.cores)


def _try(tower: Tower, engine: Engine) -> Streams | None:
    try:
        return _start(tower, engine)
    except Exception as error:  # exporters raise anything
        _log.info("The engine %s does not run %s: %s", engine.name, tower.name, error)
        return None


def _measure(tower: Tower, streams: Streams) -> float:
    """Images a second."""
    images = tower.example.expand(_MEASURED_IMAGES * tower.cores, -1, -1, -1).contiguous()
    streams(images)
    started = time.perf_counter()
    streams(images)
    return len(images) / (time.perf_counter() - started)


class _Notes:
    """The rates that were measured on this machine, in a file.

    Several processes may write it; then one of their measurements is made again.
    """

    def __init__(self, tower: Tower) -> None:
        self._path = tower.cache / "engines.json"
        number_format = str(tower.example.dtype).removeprefix("torch.")
        parts = (tower.name, number_format, f"{tower.cores} cores", _processor())
        self._key = ", ".join((*parts, f"torch {torch.__version__}"))
        self._all = _read(self._path)
        self.rates: Mapping[str, float] = self._all.get(self._key, {})

    def keep(self, rates: Mapping[str, float]) -> None:
        """Adds rates; a cache that cannot be written to is no error."""
        if rates == self.rates:
            return
        self._all[self._key] = {name: round(rate, 2) for name, rate in rates.items()}
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            beside = self._path.with_suffix(f".{os.getpid()}")
            beside.write_text(json.dumps(self._all, indent=2), encoding="utf-8")
            beside.replace(self._path)


def _read(path: Path) -> dict[str, dict[str, float]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {
        key: {name: float(rate) for name, rate in rates.items() if isinstance(rate, int | float)}
        for key, rates in content.items()
        if isinstance(rates, dict)
    }


def _processor() -> str:
    """The processor's name, as far as the system tells."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
