"""Standardised features, so that one learning rate suits them all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from mmsearch.encoders.adapted import AffineMap
from mmsearch.encoders.base import Features

_LEAST = np.float32(1e-3)  # embeddings of 512 dimensions deviate by 0.04, features by more


@dataclass(frozen=True, slots=True)
class Standardisation:
    """Brings each feature to mean 0 and standard deviation 1.

    Attributes:
        mean: float32, shape (features,).
        deviation: float32, shape (features,), positive.
    """

    mean: Features
    deviation: Features

    @classmethod
    def of(cls, rows: Features) -> Standardisation:
        """The standardisation of some rows; features that hardly vary are left small."""
        return cls(rows.mean(axis=0), rows.std(axis=0) + _LEAST)

    def __call__(self, rows: Features) -> Features:
        """Standardised rows."""
        return (rows - self.mean) / self.deviation

    def fold_into(self, head: nn.Linear) -> AffineMap:
        """A head for rows as they come, from one that was trained on standardised rows."""
        weight = head.weight.detach().cpu().numpy().T / self.deviation[:, None]
        bias = head.bias.detach().cpu().numpy() - self.mean @ weight
        return AffineMap(weight.astype(np.float32), bias.astype(np.float32))

    def unfold_from(self, head: AffineMap) -> nn.Linear:
        """The other way round: a head to train on standardised rows."""
        unfolded = nn.Linear(*head.weight.shape)
        with torch.no_grad():
            unfolded.weight.copy_(torch.from_numpy((head.weight * self.deviation[:, None]).T))
            unfolded.bias.copy_(torch.from_numpy(head.bias + self.mean @ head.weight))
        return unfolded
