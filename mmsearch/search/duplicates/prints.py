"""Fingerprints as arrays: see `mmsearch.media.fingerprint` for what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmsearch.media.fingerprint import COLOUR_SIDE, SIDE, SIZE

COARSE_SIDE = 8
"""Cells a side of what `Prints.coarse` compares."""

_NOISE = 2.0  # grey levels: what differs less is alike in nothing


@dataclass(frozen=True, slots=True)
class Prints:
    """The fingerprints of some photos.

    Attributes:
        data: uint8, shape (n, `SIZE`).
    """

    data: NDArray[np.uint8]

    @classmethod
    def of(cls, fingerprints: Sequence[bytes]) -> Prints:
        """Reads fingerprints."""
        return cls(np.frombuffer(b"".join(fingerprints), dtype=np.uint8).reshape(-1, SIZE))

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, rows: NDArray[np.int64] | slice) -> Prints:
        return Prints(self.data[rows])

    @property
    def light(self) -> NDArray[np.float32]:
        """Grey levels 0 to 255, float32, shape (n, SIDE, SIDE)."""
        return self.data[:, : SIDE * SIDE].reshape(-1, SIDE, SIDE).astype(np.float32)

    @property
    def colours(self) -> NDArray[np.float32]:
        """Blue and red differences 0 to 255, float32, shape (n, 2 * COLOUR_SIDE ** 2)."""
        return self.data[:, -2 * COLOUR_SIDE**2 :].astype(np.float32)

    def coarse(self) -> NDArray[np.float32]:
        """Where each photo is light and dark, as vectors to compare by their inner product.

        Returns:
            float32, shape (n, `COARSE_SIDE` ** 2), of unit length where there is contrast: the
            inner product of two is their correlation.
        """
        cells = SIDE // COARSE_SIDE
        light = self.light.reshape(-1, COARSE_SIDE, cells, COARSE_SIDE, cells).mean((2, 4))
        light = light.reshape(-1, COARSE_SIDE**2)
        light -= light.mean(1, keepdims=True)
        power = np.square(light).sum(1, keepdims=True) + (_NOISE * COARSE_SIDE) ** 2
        return np.asarray(light / np.sqrt(power), dtype=np.float32)
