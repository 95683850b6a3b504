"""What `mmsearch.train` refuses before it encodes anything."""

from __future__ import annotations

from pathlib import Path

import pytest

import mmsearch
from mmsearch.errors import EncoderMismatchError
from mmsearch.testing import TinyEncoder, make_photo

for module in ("onnx", "matplotlib"):
    pytest.importorskip(module, reason="the extra 'train' is not installed")


def test_an_encoder_that_cannot_be_loaded_again_is_no_base(tmp_path: Path) -> None:
    make_photo(tmp_path / "red.png", "red")
    (tmp_path / "captions.tsv").write_text("image\tcaption\nred.png\tred\n")
    with pytest.raises(EncoderMismatchError):
        mmsearch.train(
            "mine",
            images=tmp_path,
            captions=tmp_path / "captions.tsv",
            model=TinyEncoder(seed=3),
        )
