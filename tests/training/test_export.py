from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor, nn

pytest.importorskip("onnx", reason="the extra 'train' is not installed")
onnxruntime = pytest.importorskip("onnxruntime")

from mmsearch.training.export import (  # noqa: E402
    export_image_tower,
    export_text_tower,
    quantise,
)

finite = st.floats(-1e4, 1e4, width=32)


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2), elements=finite))
@pytest.mark.parametrize("axis", [0, 1])
def test_no_value_moves_more_than_half_its_scale(axis: int, values: np.ndarray) -> None:
    stored, scale = quantise(values, axis)
    assert stored.dtype == np.int8
    assert scale.shape[axis] == 1
    assert np.all(np.abs(stored * scale - values) <= scale * 0.5001)


class TinyImageTower(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 64, 3)
        self.classifier = nn.Linear(64, 40)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.convolution(pixels.permute(0, 3, 1, 2).float() / 255)
        features = hidden.relu().mean(dim=(2, 3))
        return features, self.classifier(features)


class TinyTextTower(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(100, 32)
        self.layer = nn.Linear(32, 64)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        weights = mask.float().unsqueeze(2)
        return self.layer((self.words(ids) * weights).sum(dim=1) / weights.sum(dim=1))


def weight_types(path: Path) -> set[int]:
    import onnx

    graph = onnx.load(path).graph
    return {tensor.data_type for tensor in graph.initializer if np.prod(tensor.dims) >= 1024}


def test_image_tower_is_stored_as_float16_and_runs(tmp_path: Path) -> None:
    import onnx

    torch.manual_seed(0)
    tower, path = TinyImageTower().eval(), tmp_path / "image.onnx"
    export_image_tower(tower, 16, path)
    assert weight_types(path) == {onnx.TensorProto.FLOAT16}
    pixels = torch.randint(0, 256, (5, 16, 16, 3), dtype=torch.uint8)
    got = onnxruntime.InferenceSession(path).run(["features", "logits"], {"pixels": pixels.numpy()})
    with torch.inference_mode():
        for ours, theirs in zip(got, tower(pixels), strict=True):
            np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-3)


def test_text_tower_is_stored_as_int8_and_runs(tmp_path: Path) -> None:
    import onnx

    torch.manual_seed(0)
    tower, path = TinyTextTower().eval(), tmp_path / "text.onnx"
    export_text_tower(tower, path)
    assert weight_types(path) == {onnx.TensorProto.INT8}
    ids = torch.randint(0, 100, (4, 7))
    mask = torch.ones_like(ids)
    mask[2, 3:] = 0
    (got,) = onnxruntime.InferenceSession(path).run(
        ["features"], {"ids": ids.numpy(), "mask": mask.numpy()}
    )
    with torch.inference_mode():
        np.testing.assert_allclose(got, tower(ids, mask).numpy(), atol=0.02)
