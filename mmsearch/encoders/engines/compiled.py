"""torch.compile: what is left between the matrix products becomes a few loops in C++.

Freezing (weights are constants) lets it put weights in order for oneDNN once. What was compiled
stays in the user's cache, so that the next process only has to trace.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mmsearch.encoders.engines.packed import rewrite
from mmsearch.encoders.engines.streams import one_thread

if TYPE_CHECKING:
    from mmsearch.encoders.engines.base import Run, Tower

BATCH = 16
"""Images at once: what is compiled for one number of images is compiled again for another."""

_FOLDER = "TORCHINDUCTOR_CACHE_DIR"
_compiling = threading.Lock()


def fits(_tower: Tower) -> bool:
    """Whether there is a C++ compiler."""
    names = (os.environ.get("CXX"), "g++", "clang++", "c++", "cl")
    return any(shutil.which(name) for name in names if name)


def start(tower: Tower) -> Run:
    """Compiles the tower.

    Raises:
        Exception: of torch's many kinds; the tower or the machine cannot be compiled for.
    """
    # Written out, so that torch's fast path for attention, which cannot be compiled, is not met.
    visual = rewrite(tower.visual, pack=False)
    run: Run = torch.compile(visual, dynamic=False, options={"freezing": True, "cpp.threads": 1})
    example = tower.example.expand(BATCH, -1, -1, -1).contiguous()
    with _compiling, _cache_in(tower.cache / "compiled"):
        failed = _on_one_thread(run, example)
    if failed is not None:
        raise failed
    return run


def _on_one_thread(run: Run, example: torch.Tensor) -> BaseException | None:
    """Calls it as `Streams` does: what is compiled is compiled for a number of threads."""
    raised: list[BaseException] = []

    def call() -> None:
        try:
            with torch.inference_mode():
                run(example)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=call, name="mmsearch-compile")
    with one_thread():
        thread.start()
        thread.join()
    return raised[0] if raised else None


@contextmanager
def _cache_in(folder: Path) -> Iterator[None]:
    """Has torch keep what it compiles, unless its user says where; there is no other way to."""
    if _FOLDER in os.environ:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    os.environ[_FOLDER] = str(folder)
    try:
        yield
    finally:
        del os.environ[_FOLDER]
