"""Features of towers are computed once, and an interrupted run leaves no half of them."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from mmsearch.encoders.embedded.encoder import WEIGHTS
from mmsearch.training.features import FeatureStore

TEXTS = ("a dog in the grass", "two boats")


def test_an_interrupted_run_leaves_nothing_that_the_next_one_takes_for_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(file: BinaryIO | Path, **_: object) -> None:
        if isinstance(file, Path):
            file.write_bytes(b"half")
        else:
            file.write(b"half")
        raise KeyboardInterrupt

    seen: list[str] = []
    store = FeatureStore(WEIGHTS, tmp_path, lambda step, *_: seen.append(step))
    with monkeypatch.context() as patched:
        patched.setattr(np, "savez", interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.of_texts(TEXTS)
    features = store.of_texts(TEXTS)
    assert features.shape == (2, 1536)
    assert seen == ["captions", "captions"]
    np.testing.assert_array_equal(store.of_texts(TEXTS), features)
    assert seen == ["captions", "captions"], "kept"
