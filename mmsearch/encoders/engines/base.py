"""What an engine is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import torch

Run: TypeAlias = "Callable[[torch.Tensor], torch.Tensor]"
"""Maps images, normalised, in the tower's number format, shape (n, 3, height, width), to embeddings
that need not be of unit length, shape (n, dim). Safe to call from several threads; computes in
the thread that calls it."""


@dataclass(frozen=True, slots=True)
class Tower:
    """An image tower to run on the CPU.

    Attributes:
        visual: open_clip's module, in evaluation mode.
        name: of the architecture.
        revision: of the weights.
        example: one image as the tower takes it, shape (1, 3, height, width).
        cores: how many threads are going to call the engine.
        cache: a folder for what can be computed again.
    """

    visual: Any
    name: str
    revision: str
    example: torch.Tensor
    cores: int
    cache: Path

    @property
    def is_float32(self) -> bool:
        """Whether it computes in float32, because the processor does not multiply in bfloat16."""
        return self.example.element_size() == 4


@dataclass(frozen=True, slots=True)
class Engine:
    """A way to run a tower.

    Attributes:
        name: what the setting ``engine`` calls it.
        fits: whether it is worth a try for a tower on this machine.
        start: gets a tower going. Whatever it raises means that it cannot.
        seconds: roughly what that takes the first time.
        again: roughly what it takes when this machine has done it before.
    """

    name: str
    fits: Callable[[Tower], bool]
    start: Callable[[Tower], Run]
    seconds: float
    again: float
