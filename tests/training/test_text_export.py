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

from mmsearch.encoders.text_onnx.graph import BLOCK, quantise, quantise_blocks  # noqa: E402
from mmsearch.training.minilm import WIDTH, Layer  # noqa: E402
from mmsearch.training.text_export import export_text_tower  # noqa: E402

finite = st.floats(-1e4, 1e4, width=32)


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2), elements=finite))
@pytest.mark.parametrize("axis", [0, 1])
def test_no_value_moves_more_than_half_its_scale(axis: int, values: np.ndarray) -> None:
    stored, scale = quantise(values, axis)
    assert stored.dtype == np.int8
    assert scale.shape[axis] == 1
    assert np.all(np.abs(stored * scale - values) <= scale * 0.5001)


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 4).map(lambda n: n * BLOCK), st.integers(1, 9)),
        elements=finite,
    )
)
def test_blocks_move_no_value_more_than_half_their_scale(values: np.ndarray) -> None:
    packed, scales = quantise_blocks(values)
    assert packed.shape == (values.shape[1], len(values) // BLOCK, BLOCK)
    restored = ((packed.astype(np.float64) - 128) * scales[..., None]).reshape(values.shape[::-1]).T
    limit = np.repeat(scales, BLOCK, axis=1).T * 0.5001
    assert np.all(np.abs(restored - values) <= limit)


class TinyTextTower(nn.Module):
    """Words, one of MiniLM's layers, a mean over the tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(100, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.layers = nn.ModuleList([Layer()])

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        weights = mask.float().unsqueeze(2)
        barrier = (1 - mask.float())[:, None, None, :] * -1e9
        states = self.norm(self.words(ids))
        for layer in self.layers:
            states = layer(states, barrier)
        return (states * weights).sum(dim=1) / weights.sum(dim=1), states


class FeaturesOnly(nn.Module):
    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        return self.tower(ids, mask)[0]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    torch.manual_seed(0)
    tower, path = TinyTextTower().eval(), tmp_path_factory.mktemp("text") / "text.onnx"
    export_text_tower(tower, path)
    return tower, path


def large_weights(path: Path) -> set[int]:
    import onnx

    graph = onnx.load(path).graph
    return {tensor.data_type for tensor in graph.initializer if np.prod(tensor.dims) >= 1024}


def run(path: Path, names: list[str], **inputs: Tensor) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(names, {name: value.numpy() for name, value in inputs.items()})


def close(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Whether they differ by little, as a share of their length."""
    return bool(np.linalg.norm(ours - theirs) < 0.01 * np.linalg.norm(theirs))


def test_text_tower_is_stored_compactly_and_runs(text: tuple[nn.Module, Path]) -> None:
    import onnx

    tower, path = text
    graph = onnx.load(path).graph
    assert onnx.TensorProto.FLOAT16 not in large_weights(path)
    operators = [node.op_type for node in graph.node]
    assert operators.count("MatMulNBits") == 4
    assert operators.count("MultiHeadAttention") == 1
    assert "MatMul" not in operators
    ids, mask = torch.randint(0, 100, (4, 7)), torch.ones((4, 7), dtype=torch.int64)
    mask[2, 3:] = 0
    features, states = run(path, ["features", "states"], ids=ids, mask=mask)
    with torch.inference_mode():
        wanted, wanted_states = tower(ids, mask)
    assert close(features, wanted.numpy())
    assert close(states[mask == 1], wanted_states[mask == 1].numpy())


def test_a_text_does_not_depend_on_what_is_read_with_it(text: tuple[nn.Module, Path]) -> None:
    _, path = text
    ids, mask = torch.randint(0, 100, (33, 12)), torch.ones((33, 12), dtype=torch.int64)
    for row in range(33):
        mask[row, 2 + row % 11 :] = 0
    (together,) = run(path, ["features"], ids=ids, mask=mask)
    for row in (0, 5, 31):
        tokens = int(mask[row].sum())
        (alone,) = run(
            path,
            ["features"],
            ids=ids[row : row + 1, :tokens],
            mask=mask[row : row + 1, :tokens],
        )
        np.testing.assert_allclose(alone[0], together[row], atol=1e-5)


def test_a_tower_with_one_output_has_features(tmp_path: Path) -> None:
    path = tmp_path / "text.onnx"
    export_text_tower(FeaturesOnly(TinyTextTower()), path)
    session = onnxruntime.InferenceSession(path)
    assert [output.name for output in session.get_outputs()] == ["features"]


def test_exporting_leaves_the_tower_as_it_is(text: tuple[nn.Module, Path]) -> None:
    tower, _ = text
    assert isinstance(tower.layers[0], Layer)
