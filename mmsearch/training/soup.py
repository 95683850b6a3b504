"""Several runs of fine-tuning from one start, and the mean of where they end.

The runs differ in how they train. Each ends at another place of one wide valley, whose middle
generalises better than its edges (Izmailov et al. 2018; Wortsman et al. 2022, model soups).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from mmsearch.training.features import Progress
from mmsearch.training.finetune import Towers, fine_tune
from mmsearch.training.material import Material
from mmsearch.training.tower_heads import TowerHeads
from mmsearch.training.tuning import FineTuning


def fine_tune_and_average(
    towers: Towers,
    heads: TowerHeads,
    material: Material,
    first: FineTuning,
    further: Sequence[FineTuning],
    kept: Path,
    progress: Progress,
) -> None:
    """Trains towers and heads in place; at the end their weights are the mean of all runs'.

    Args:
        towers: to train, on the device where they are trained.
        heads: to start from, on the same device.
        material: what to train on.
        first: the run that the others start from; it leaves unfrozen what is trained.
        further: the others; they train the same layers.
        kept: the folder for checkpoints: an interrupted run goes on from there.
        progress: told of each step.
    """
    fine_tune(towers, heads, material, first, kept, progress)
    trained = [
        one for module in (*towers, heads) for one in module.parameters() if one.requires_grad
    ]
    start = [one.detach().clone() for one in trained]
    mean = [one.clone() for one in start]
    for number, settings in enumerate(further, 1):
        _put(start, trained)
        fine_tune(towers, heads, material, settings, kept / f"further-{number}", progress)
        for average, one in zip(mean, trained, strict=True):
            average.lerp_(one.detach(), 1 / (number + 1))
    _put(mean, trained)


@torch.no_grad()
def _put(weights: Sequence[torch.Tensor], into: Sequence[torch.nn.Parameter]) -> None:
    for parameter, weight in zip(into, weights, strict=True):
        parameter.copy_(weight)
