"""Takes the towers of a folder of weights back into torch, to train them on.

The files keep no names for most weights, but list them in the order of the networks' layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmsearch.encoders.embedded.manifest import IMAGE_TOWER, TEXT_TOWER
from mmsearch.errors import WeightsError
from mmsearch.training.minilm import WIDTH, Layer, MiniLM
from mmsearch.training.towers import ImageTower

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


def reload_towers(weights: Path) -> tuple[ImageTower, MiniLM]:
    """The image tower and the text tower of a folder of weights.

    Args:
        weights: what `mmsearch.training` has written, or what ships with mmsearch.

    Returns:
        The towers, whose weights are those of the files, rounded as they are stored there.

    Raises:
        WeightsError: a file is not there, or holds another network.
        TrainingError: the extra ``train`` is not installed.
    """
    image, text = ImageTower(), MiniLM()
    for name, fill in ((IMAGE_TOWER, _fill_image), (TEXT_TOWER, _fill_text)):
        try:
            stored = _Stored(onnx.load(weights / name))
            fill(stored, image if fill is _fill_image else text)
        except (OSError, KeyError, ValueError, RuntimeError, StopIteration) as error:
            raise WeightsError(
                f"{weights / name} does not hold the tower that mmsearch trains: {error}"
            ) from error
    return image.eval(), text.eval()


class _Stored:
    """The weights of a file, turned back into float32."""

    def __init__(self, model: ModelProto) -> None:
        self.nodes: list[NodeProto] = list(model.graph.node)
        self._arrays: dict[str, NDArray[Any]] = {
            tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer
        }

    def __getitem__(self, name: str) -> Tensor:
        """A weight by its name, whichever way it is stored."""
        arrays = self._arrays
        if name in arrays:
            values = arrays[name].astype(np.float32)
        elif f"{name}.f16" in arrays:
            values = arrays[f"{name}.f16"].astype(np.float32)
        else:
            values = arrays[f"{name}.i8"].astype(np.float32) * arrays[f"{name}.scale"]
        return torch.from_numpy(values)

    def products(self) -> Iterator[Tensor]:
        """The matrices of all products, each (outputs, inputs), in the order of the graph."""
        for node in self.nodes:
            if node.op_type == "MatMulNBits":
                packed, scales = self._arrays[node.input[1]], self._arrays[node.input[2]]
                values = (packed.astype(np.float32) - 128) * scales.reshape(*packed.shape[:2], 1)
                yield torch.from_numpy(values.reshape(len(packed), -1))

    def convolutions(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Weight and bias of all convolutions in the order of the graph."""
        maker = {output: node for node in self.nodes for output in node.output}
        for node in self.nodes:
            if node.op_type == "Conv":
                weight, bias = (self._channels(*maker[name].input[:2]) for name in node.input[1:])
                yield weight, bias

    def _channels(self, stored: str, scale: str) -> Tensor:
        """Weights with a scale for each channel of the output."""
        values, scales = self._arrays[stored], self._arrays[scale]
        return torch.from_numpy(values * scales.reshape(-1, *[1] * (values.ndim - 1)))


def _fill_image(stored: _Stored, tower: nn.Module) -> None:
    """Convolutions take over their normalisation, which then changes nothing."""
    found = stored.convolutions()
    with torch.no_grad():
        for module in tower.modules():
            if isinstance(module, nn.Conv2d):
                weight, bias = next(found)
                module.weight.copy_(weight.view_as(module.weight))
            elif isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.zero_()
                module.running_var.fill_(1 - module.eps)
                module.weight.fill_(1)
                module.bias.copy_(bias)
            elif isinstance(module, nn.Linear):
                module.weight.copy_(
                    stored["tower.network.classifier.weight"].view_as(module.weight)
                )
                module.bias.copy_(stored["tower.network.classifier.bias"])


def _fill_text(stored: _Stored, tower: nn.Module) -> None:
    state = {
        name: stored[name]
        for name in ("words.weight", "positions.weight", "segment", "norm.weight", "norm.bias")
    }
    found = stored.products()
    layers = [module for module in tower.modules() if isinstance(module, Layer)]
    for number in range(len(layers)):
        own, theirs = f"layers.{number}", f"layers.{number}.layer"
        weights = next(found).view(3, WIDTH, WIDTH)
        biases = stored[f"layers.{number}.project.bias"].view(3, WIDTH)
        for name, weight, bias in zip(("query", "key", "value"), weights, biases, strict=True):
            state |= {f"{own}.{name}.weight": weight, f"{own}.{name}.bias": bias}
        for name in ("out", "up", "down"):
            state[f"{own}.{name}.weight"] = next(found)
            state[f"{own}.{name}.bias"] = stored[f"{theirs}.{name}.bias"]
        for name in ("attention_norm", "norm"):
            for kind in ("weight", "bias"):
                state[f"{own}.{name}.{kind}"] = stored[f"{theirs}.{name}.{kind}"]
    tower.load_state_dict(state)
