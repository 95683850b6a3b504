"""Heads on an open_clip model: trained, stored under a name, and found by a new process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

import mmsearch
from mmsearch.encoders import named
from mmsearch.encoders.registry import load
from mmsearch.errors import EncoderMismatchError
from tests.encoders.conftest import tiny_config
from tests.training.adapt.conftest import write_photos

for module in ("onnx", "matplotlib"):
    pytest.importorskip(module, reason="the extra 'train' is not installed")

# open_clip knows the tiny architecture only in a process that has told it.
_MAIN = """
import sys, open_clip
open_clip.add_model_config(sys.argv[1])
from mmsearch.cli import main
main(sys.argv[2:])
"""


def run(config: Path, *arguments: object) -> str:
    command = [sys.executable, "-c", _MAIN, str(config), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_train_index_query(tiny: str, tiny_file: Path, tmp_path: Path, float32: None) -> None:
    photos = write_photos(tmp_path / "photos")
    checkpoint = tmp_path / "weights.safetensors"
    checkpoint.write_bytes(tiny_file.read_bytes())
    report = mmsearch.train(
        "mine",
        images=photos,
        captions=photos / "captions.tsv",
        model=f"{tiny}:{checkpoint}",
        method="ridge",
        held_out=0.3,
    )
    base, adapted = load(f"{tiny}:{checkpoint}"), load("mine")
    assert report.base == base.id
    assert (adapted.id, adapted.transform) == (report.encoder, base.transform)
    assert adapted.dim in (24, 28), "without or with normalisation"
    (reference,) = named.bases("mine")
    assert (reference.spec, reference.id) == (base.identity.spec, base.id)
    with Image.open(photos / "000.png") as image:
        pixels = base.transform(image.convert("RGB"))[np.newaxis]
    before, after = (
        encoder.encode_texts(["blu"]) @ encoder.encode_images(pixels).T
        for encoder in (base, adapted)
    )
    assert np.abs(after - before).max() > 1e-3

    two = tmp_path / "two"
    two.mkdir()
    for name in ("000.png", "001.png"):
        (two / name).write_bytes((photos / name).read_bytes())
    config = tmp_path / f"{tiny}.json"
    config.write_text(json.dumps(tiny_config()))
    index = tmp_path / "two.mmsearch"
    given = ("--index", index, "--json")
    indexed = json.loads(run(config, "index", two, "--model", "mine", *given))
    assert indexed["added"] == 2
    found = json.loads(run(config, "query", "verde con rosa", "--all", *given))
    assert found["encoder"] == report.encoder
    assert {Path(hit["path"]).name for hit in found["hits"]} == {"000.png", "001.png"}

    weights = load_file(tiny_file)
    save_file({name: np.asarray(2 * array) for name, array in weights.items()}, checkpoint)
    with pytest.raises(EncoderMismatchError, match="Train it again"):
        load("mine")
