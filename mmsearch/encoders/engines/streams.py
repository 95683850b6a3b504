"""Runs an engine on several cores: images side by side, not the parts of one product.

Threads that share a product wait for each other, busily, whenever one of them loses its core to
something else; and indexing always has something else to do, decoding photos. Threads with
images of their own lose nothing but that core.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

from mmsearch.encoders.engines.base import Run

SIZES = (16, 32, 8)
"""Images that a thread may take at once, in the order in which they are tried."""

_TRIES = 2  # measurements of each size; their better one counts
_starting = threading.Lock()


class Streams:
    """Threads that run an engine, each on one core.

    The first batches are run in parts of different sizes; the fastest is kept.

    Args:
        run: the engine.
        cores: how many threads.
    """

    def __init__(self, run: Run, cores: int) -> None:
        self._run = run
        self._cores = cores
        self._rates: dict[int, list[float]] = {size: [] for size in SIZES}
        with one_thread():
            self._threads = ThreadPoolExecutor(cores, thread_name_prefix="mmsearch-encode")
            # All threads have to come up now: each one takes over how many torch is to use in it.
            barrier = threading.Barrier(cores)
            list(
                self._threads.map(lambda _: torch.get_num_threads() + barrier.wait(), range(cores))
            )

    @property
    def size(self) -> int:
        """Images that a thread takes at once."""
        for size, rates in self._rates.items():
            if len(rates) < _TRIES:
                return size
        return max(self._rates, key=lambda size: max(self._rates[size]))

    @property
    def batch_size(self) -> int:
        """Images that keep all threads busy: two parts each, for parts take unequally long."""
        return 2 * self.size * self._cores

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Runs the engine on images, n of them along the first axis, n at least 1."""
        parts = torch.split(images, self._even(len(images)))
        return torch.cat(list(self._threads.map(self._timed, parts)))

    def _even(self, count: int) -> int:
        """The size of parts for so many images: each thread gets as many, also of the last ones."""
        rounds = -(-count // (self.size * self._cores))
        return -(-count // (rounds * self._cores))

    def _timed(self, part: torch.Tensor) -> torch.Tensor:
        count = len(part)
        started = time.perf_counter()
        with torch.inference_mode():
            found = self._run(part).float()
        if count in self._rates:
            self._rates[count] = [*self._rates[count], count / (time.perf_counter() - started)][-8:]
        return found

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown()


@contextmanager
def one_thread() -> Iterator[None]:
    """Threads that begin to use torch meanwhile use one core each, for as long as they live."""
    with _starting:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)
