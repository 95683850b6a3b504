"""Gets pixels onto a GPU while it computes on those before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.encoders.base import Pixels

if TYPE_CHECKING:
    import torch


def copied_ahead(batches: Iterable[Pixels], device: torch.device) -> Iterator[torch.Tensor]:
    """Copies batches to a device, one ahead of the one that is being computed on.

    The copies run in a CUDA stream of their own, from page-locked memory: only from there the
    device fetches them by itself.

    Args:
        batches: uint8, each of shape (n, height, width, 3).
        device: of CUDA.

    Yields:
        The same, in order, for use in the current stream.
    """
    import torch

    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def copy(batch: Pixels) -> torch.Tensor:
        locked = torch.from_numpy(np.require(batch, requirements=("C", "W"))).pin_memory()
        with torch.cuda.stream(stream):
            return locked.to(device, non_blocking=True)

    def ready(moved: torch.Tensor) -> torch.Tensor:
        current = torch.cuda.current_stream(device)
        current.wait_stream(stream)
        moved.record_stream(current)  # its memory is not used again before this stream is done
        return moved

    before: torch.Tensor | None = None
    for batch in batches:
        moved = copy(batch)
        if before is not None:
            yield ready(before)
        before = moved
    if before is not None:
        yield ready(before)
