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

from mmsearch.training.image_export import (  # noqa: E402
    PAIR,
    TwoLooks,
    export_image_tower,
    weight_scales,
)

SIDE = 22


class TinyImageTower(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Conv2d(3, 64, 3)
        self.grouped = nn.Conv2d(64, 128, 3, groups=64)
        self.pointwise = nn.Conv2d(128, 128, 1)
        self.classifier = nn.Linear(128, 40)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.dense((pixels.permute(0, 3, 1, 2).float() - 127.5) / 127.5)
        hidden = self.grouped(nn.functional.relu6(hidden))
        features = nn.functional.relu6(self.pointwise(hidden) + hidden).mean(dim=(2, 3))
        return features, self.classifier(features)


def photos(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    torch.manual_seed(0)
    tower, path = TinyImageTower().eval(), tmp_path_factory.mktemp("image") / "image.onnx"
    export_image_tower(tower, photos(8), path)
    return tower, path


def run(path: Path, pixels: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["features", "logits"], {"pixels": pixels})


def test_nothing_is_said_of_operators_that_are_not_used(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    export_image_tower(TinyImageTower().eval(), photos(2), tmp_path / "image.onnx")
    assert capfd.readouterr() == ("", "")


def test_image_tower_is_stored_compactly(image: tuple[nn.Module, Path]) -> None:
    import onnx

    weights = onnx.load(image[1]).graph.initializer
    assert {one.data_type for one in weights if np.prod(one.dims) >= 1024} == {
        onnx.TensorProto.INT8
    }


def test_what_is_seen_is_the_mean_of_both_looks(image: tuple[nn.Module, Path]) -> None:
    tower, path = image
    for pixels in np.split(photos(4), 4):
        whole = torch.from_numpy(pixels).float()
        middle = whole[:, 2:-2, 2:-2].permute(0, 3, 1, 2)
        larger = nn.functional.interpolate(middle, size=(SIDE, SIDE), mode="bilinear")
        with torch.inference_mode():
            first, second = tower(whole), tower(larger.flip(3).permute(0, 2, 3, 1))
        for got, one, other in zip(run(path, pixels), first, second, strict=True):
            wanted = (one + other).numpy() / 2
            assert got.shape == wanted.shape
            assert np.linalg.norm(got - wanted) < 0.02 * np.linalg.norm(wanted)
            assert np.linalg.norm(one - other) > 0.02 * np.linalg.norm(wanted)  # they do differ


def test_a_photo_and_its_mirror_image_look_alike() -> None:
    torch.manual_seed(0)
    looks = TwoLooks(TinyImageTower(), SIDE).eval()
    pixels = torch.from_numpy(photos(1))
    with torch.inference_mode():
        (one, _), (mirrored, _) = looks(pixels), looks(pixels.flip(2))
        (alone, _), (alone_mirrored, _) = looks.tower(pixels), looks.tower(pixels.flip(2))
    assert torch.dist(one, mirrored) < torch.dist(alone, alone_mirrored)


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=4, max_dims=4, max_side=5),
        elements=st.floats(-1e4, 1e4, width=32),
    )
)
def test_no_pair_of_weights_saturates(weight: np.ndarray) -> None:
    scales = weight_scales(weight, grouped=False)
    stored = np.rint(weight / scales[:, None, None, None])
    assert np.abs(stored).max() <= PAIR
    rows = stored.transpose(0, 2, 3, 1).reshape(len(weight), -1)
    rows = rows[:, : rows.shape[1] // 2 * 2]
    pairs = rows[:, ::2] + rows[:, 1::2]
    assert np.abs(pairs).max(initial=0) * 255 <= 2**15 - 1


def test_weights_that_are_never_added_in_pairs_keep_their_precision() -> None:
    weight = np.array([100.0, 100.0], dtype=np.float32).reshape(1, 2, 1, 1)
    assert weight_scales(weight, grouped=True) == pytest.approx(100 / PAIR)
    assert weight_scales(weight, grouped=False) == pytest.approx(200 / PAIR)
