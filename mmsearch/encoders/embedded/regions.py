"""What the image tower sees in each region of a photo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmsearch.encoders.base import Pixels
from mmsearch.encoders.embedded.heads import Floats
from mmsearch.encoders.embedded.towers import open_session

MAP = "region_map_"
"""What the outputs are called that show the maps, up to their numbers."""

LOGITS = "region_logits"


@dataclass(frozen=True, slots=True)
class SeenRegions:
    """What the image head takes, for every region of a photo as if it were a photo of its own.

    Attributes:
        rows: of the grid of regions.
        columns: of the grid of regions.
        features: float32, shape (rows x columns, features).
        logits: float32, shape (rows x columns, classes).
    """

    rows: int
    columns: int
    features: Floats
    logits: Floats


class RegionTower:
    """The image tower up to the maps that it pools into features.

    A map that is pooled at one position alone gives that position's features: its mean is the
    value there, and its root mean square the value's size. Zhou et al. 2016 (class activation
    mapping) and Zhou et al. 2022 (MaskCLIP) read what networks for whole images see in their
    parts in this way.

    Args:
        tower: the image tower's ONNX file.
        fragment: what `mmsearch.training.regions` has written for it.

    Raises:
        WeightsError: they are not there or cannot be loaded.
    """

    def __init__(self, tower: Path, fragment: Path) -> None:
        self._session = open_session(tower, fragment)
        names = {output.name for output in self._session.get_outputs()}
        self._maps = [f"{MAP}{n}" for n in range(sum(name.startswith(MAP) for name in names))]

    def __call__(self, pixels: Pixels) -> SeenRegions:
        """Looks at one image: uint8 RGB, shape (1, height, width, 3)."""
        logits, *maps = self._session.run([LOGITS, *self._maps], {"pixels": pixels})
        rows, columns = maps[0].shape[2:]
        features = np.concatenate([_on_grid(seen[0], rows, columns) for seen in maps])
        return SeenRegions(
            rows, columns, np.ascontiguousarray(features.reshape(len(features), -1).T), logits
        )


def _on_grid(seen: Floats, rows: int, columns: int) -> Floats:
    """A map (channels, height, width) averaged to a coarser grid that divides it."""
    channels, height, width = seen.shape
    blocks = seen.reshape(channels, rows, height // rows, columns, width // columns)
    means: Floats = blocks.mean(axis=(2, 4))
    return means
