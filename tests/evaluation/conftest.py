"""A small captioned data set of coloured photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmsearch.evaluation.datasets import CaptionedPhotos

COLOURS = ("red", "green", "blue", "yellow", "black", "white", "orange", "purple")


@pytest.fixture
def colours(tmp_path: Path) -> CaptionedPhotos:
    """Eight photos, each with a caption that tells and one that does not."""
    paths = tuple(tmp_path / f"{colour}.png" for colour in COLOURS)
    for path in paths:
        Image.new("RGB", (40, 30), path.stem).save(path)
    captions = [text for colour in COLOURS for text in (f"{colour} paint", "something else")]
    return CaptionedPhotos(paths, tuple(captions), np.repeat(np.arange(len(COLOURS)), 2))
