"""Checkpoints are read without running what they may carry."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mmsearch.encoders.checkpoint import read
from mmsearch.encoders.open_clip import OpenClipEncoder
from mmsearch.encoders.registry import load
from mmsearch.errors import WeightsError


class Malicious:
    """Writes a file when it is unpickled by a reader that trusts it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin", ".ckpt"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"epoch": 3, "state_dict": state},
        lambda state: {"state_dict": {f"module.{name}": t for name, t in state.items()}},
    ],
    ids=["plain", "nested", "distributed"],
)
def test_what_training_leaves_behind(
    tiny_model: Any, tmp_path: Path, suffix: str, wrap: Callable[[Any], Any]
) -> None:
    path = tmp_path / f"weights{suffix}"
    expected = tiny_model.state_dict()
    torch.save(wrap(expected), path)

    state = read(path)
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_malicious_pickle_is_not_run(tmp_path: Path, zipped: bool) -> None:
    trace = tmp_path / "run"
    path = tmp_path / "weights.pt"
    torch.save(
        {"a": torch.zeros(1), "b": Malicious(trace)}, path, _use_new_zipfile_serialization=zipped
    )

    with pytest.raises(WeightsError, match=r"could run programs.*safetensors"):
        read(path)
    assert not trace.exists()


def test_a_bare_pickle_is_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "run"
    path = tmp_path / "weights.bin"
    path.write_bytes(pickle.dumps(Malicious(trace), protocol=2))

    with pytest.raises(WeightsError):
        read(path)
    assert not trace.exists()


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_a_torchscript_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)

    with pytest.raises(WeightsError, match="TorchScript"):
        read(path)


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pt"])
@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04" + bytes(100)])
def test_damaged_files(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(WeightsError, match="weights"):
        read(path)


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pt"])
def test_a_truncated_checkpoint(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    state = {"a": torch.zeros(1000)}
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    path.write_bytes(path.read_bytes()[:-500])

    with pytest.raises(WeightsError):
        read(path)


@pytest.mark.parametrize("content", [torch.zeros(3), [1, 2], {"epoch": 3}, {}])
def test_files_without_a_state_dict(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "weights.pt"
    torch.save(content, path)

    with pytest.raises(WeightsError, match="no state dict"):
        read(path)


def test_other_kinds_of_files(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    np.savez(path, a=np.zeros(3))

    with pytest.raises(WeightsError, match=r"\.safetensors"):
        read(path)


def test_a_missing_file(tiny: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="No such file"):
        load(f"{tiny}:{tmp_path / 'none.safetensors'}")


def test_the_architecture_that_fits_is_named(tiny: str, tiny_file: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        OpenClipEncoder.from_file(f"{tiny}-64", tiny_file)

    message = str(caught.value)
    assert "visual.positional_embedding has shape 10x64 in place of 17x64" in message
    assert f"The checkpoint fits {tiny}" in message


def test_tensors_that_fit_nothing_are_named(tiny: str, tiny_model: Any, tmp_path: Path) -> None:
    state = dict(tiny_model.state_dict()) | {"extra.weight": torch.zeros(2)}
    del state["ln_final.bias"]
    state["token_embedding.weight"] = torch.zeros(10, 16)
    path = tmp_path / "weights.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)

    with pytest.raises(WeightsError) as caught:
        OpenClipEncoder.from_file(tiny, path)
    message = str(caught.value)
    assert "token_embedding.weight has shape 10x16 in place of 49408x16" in message
    assert "ln_final.bias is missing" in message
    assert "extra.weight has no place" in message
    assert "The checkpoint fits" not in message
