"""A running average of weights, which generalises better than the last ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class Average:
    """The exponential moving average of what is trained of some modules.

    Args:
        modules: whose parameters to average; frozen ones are left alone.
        kept: how much of the average stays at each update; less at the beginning.
    """

    def __init__(self, modules: Sequence[nn.Module], kept: float) -> None:
        self._parameters = [
            one for module in modules for one in module.parameters() if one.requires_grad
        ]
        self._kept = kept
        self._updates = 0
        self._average = [one.detach().clone() for one in self._parameters]
        self._best: list[Tensor] | None = None

    @torch.no_grad()
    def update(self) -> None:
        """Takes the weights of now into the average."""
        self._updates += 1
        kept = min(self._kept, (1 + self._updates) / (10 + self._updates))
        for average, parameter in zip(self._average, self._parameters, strict=True):
            average.lerp_(parameter, 1 - kept)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The modules have the average as their weights within."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def remember(self) -> None:
        """Remembers the average as it is now, to settle with it; outside of `in_place`."""
        self._best = [one.clone() for one in self._average]

    @torch.no_grad()
    def settle(self) -> None:
        """The modules have the average that was remembered, else the last, from now on."""
        for average, parameter in zip(self._best or self._average, self._parameters, strict=True):
            parameter.copy_(average)

    @torch.no_grad()
    def _swap(self) -> None:
        for average, parameter in zip(self._average, self._parameters, strict=True):
            now = parameter.clone()
            parameter.copy_(average)
            average.copy_(now)

    def state(self) -> dict[str, Any]:
        """All that `load` needs."""
        return {"updates": self._updates, "average": self._average, "best": self._best}

    @torch.no_grad()
    def load(self, state: dict[str, Any]) -> None:
        """Goes on from what `state` gave."""
        self._updates = state["updates"]
        for own, theirs in zip(self._average, state["average"], strict=True):
            own.copy_(theirs)
        self._best = state["best"]
