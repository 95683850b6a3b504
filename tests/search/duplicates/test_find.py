"""More copies than neighbours that are looked at."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mmsearch.catalog.looks import Looks
from mmsearch.items import Match
from mmsearch.media.fingerprint import SIZE, fingerprint
from mmsearch.search.duplicates.find import find_groups
from mmsearch.search.duplicates.kin import Codes, Kin, code_of
from mmsearch.search.duplicates.propose import NEIGHBOURS
from tests.search.duplicates.scenes import scene

COPIES = 30 * NEIGHBOURS


def kin_of(prints: NDArray[np.floating]) -> Kin:
    """Photos with these fingerprints, each of another content."""
    return Kin(
        [
            Looks(f"{at}", row.clip(0, 255).astype(np.uint8).tobytes(), 480, 360, None, None, at)
            for at, row in enumerate(prints)
        ]
    )


def copies(noise: NDArray[np.floating]) -> NDArray[np.floating]:
    print_ = np.frombuffer(fingerprint(scene(1)), dtype=np.uint8).astype(float)
    return print_ + noise


def test_copies_of_two_kinds_are_one_group() -> None:
    """Each copy's neighbours are all of its own kind."""
    two_kinds = np.random.default_rng(0).normal(0, 3, (2, SIZE))
    kin = kin_of(copies(np.tile(two_kinds, (3 * NEIGHBOURS, 1))))

    (group,) = find_groups(kin, range(6 * NEIGHBOURS), limit=code_of(Match.NEAR))

    assert set(group) == set(range(6 * NEIGHBOURS))


def test_each_of_many_copies_is_compared_little_more_than_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared = 0
    compare = Kin.compare

    def counted(kin: Kin, ones: NDArray[np.int64], others: NDArray[np.int64]) -> Codes:
        nonlocal compared
        compared += len(ones)
        return compare(kin, ones, others)

    monkeypatch.setattr(Kin, "compare", counted)
    kin = kin_of(copies(np.random.default_rng(0).normal(0, 2, (COPIES, SIZE))))

    (group,) = find_groups(kin, range(COPIES), limit=code_of(Match.NEAR))

    assert len(group) == COPIES
    assert compared < 5 * COPIES  # with each neighbour: 12
