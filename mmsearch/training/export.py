"""Towers become compact ONNX files: float16 or int8 on disk, float32 when they run.

Only the storage of the weights is rounded. In the graph each of them is followed by the few
operations that turn it back into float32, which ONNX Runtime computes once, when the file is
loaded. So an embedding does not depend on what else is in its batch, as it would with quantised
activations, and only operators of the ONNX standard occur.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmsearch.training.towers import require

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

OPSET = 17
_SMALL = 1024  # parameters; smaller tensors stay float32


def export_image_tower(tower: nn.Module, side: int, path: Path) -> None:
    """Writes an image tower, weights stored as float16.

    Args:
        tower: maps uint8 pixels (n, side, side, 3) to features and logits.
        side: of the photos, pixels.
        path: the ONNX file.
    """
    pixels = torch.zeros((2, side, side, 3), dtype=torch.uint8)
    model = _to_onnx(tower, {"pixels": pixels}, ["features", "logits"], {"pixels": {0: "n"}}, path)
    store_float16(model)
    require("onnx").save(model, path)


def export_text_tower(tower: nn.Module, path: Path) -> None:
    """Writes a text tower, matrices stored as int8 with one scale a column.

    Args:
        tower: maps ids and mask, int64 of shape (n, tokens), to features.
        path: the ONNX file.
    """
    ids = torch.ones((2, 8), dtype=torch.int64)
    shape = {0: "n", 1: "tokens"}
    model = _to_onnx(
        tower, {"ids": ids, "mask": ids}, ["features"], {"ids": shape, "mask": shape}, path
    )
    store_int8(model)
    require("onnx").save(model, path)


def _to_onnx(
    module: nn.Module,
    inputs: dict[str, Tensor],
    outputs: list[str],
    dynamic: dict[str, dict[int, str]],
    path: Path,
) -> ModelProto:
    with warnings.catch_warnings():
        # The exporter that this one is deprecated for needs yet another package.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            path,
            input_names=list(inputs),
            output_names=outputs,
            dynamic_axes={**dynamic, **{name: {0: "n"} for name in outputs}},
            opset_version=OPSET,
            dynamo=False,
        )
    model: ModelProto = require("onnx").load(path)
    return model


def store_float16(model: ModelProto) -> None:
    """Stores the large weights of a model as float16, in place."""
    onnx = require("onnx")
    for tensor in _large_weights(model):
        name = tensor.name
        stored: NDArray[Any] = onnx.numpy_helper.to_array(tensor).astype(np.float16)
        _replace(model, tensor, {f"{name}.f16": stored}, [_cast(f"{name}.f16", name)])


def store_int8(model: ModelProto) -> None:
    """Stores the large matrices of a model as int8, in place.

    A matrix that is multiplied with has a scale a column. One that rows are looked up in has a
    scale a row, and only the rows that were looked up are turned back.
    """
    onnx = require("onnx")
    lookups = {node.input[0]: node for node in model.graph.node if node.op_type == "Gather"}
    for tensor in _large_weights(model):
        name = tensor.name
        values = onnx.numpy_helper.to_array(tensor)
        stored, scale = quantise(values, axis=1 if name in lookups else 0)
        arrays: dict[str, NDArray[Any]] = {f"{name}.i8": stored, f"{name}.scale": scale}
        if name in lookups:
            _replace(model, tensor, arrays, [])
            _look_up(model, lookups[name], name)
        else:
            nodes = [
                _cast(f"{name}.i8", f"{name}.cast"),
                onnx.helper.make_node("Mul", [f"{name}.cast", f"{name}.scale"], [name]),
            ]
            _replace(model, tensor, arrays, nodes)


def quantise(
    values: NDArray[np.float32], axis: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric int8 quantisation of a matrix.

    Args:
        values: the matrix.
        axis: along which one scale is shared; 0 gives one scale a column, 1 one a row.

    Returns:
        The int8 matrix, in -127..127, and the scales, in a shape that multiplies with it. No
        value differs from the original by more than half its scale.
    """
    largest = np.abs(values).max(axis=axis, keepdims=True)
    scale = np.maximum(largest / 127, np.finfo(np.float32).tiny).astype(np.float32)
    stored = np.clip(np.rint(values / scale), -127, 127).astype(np.int8)
    return stored, scale


def _large_weights(model: ModelProto) -> list[TensorProto]:
    onnx = require("onnx")
    return [
        tensor
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
        and len(tensor.dims) >= 2
        and np.prod(tensor.dims) >= _SMALL
    ]


def _cast(source: str, target: str) -> NodeProto:
    onnx = require("onnx")
    node: NodeProto = onnx.helper.make_node("Cast", [source], [target], to=onnx.TensorProto.FLOAT)
    return node


def _replace(
    model: ModelProto,
    tensor: TensorProto,
    arrays: dict[str, NDArray[Any]],
    nodes: Sequence[NodeProto],
) -> None:
    """Puts arrays in the place of a weight, and in front of the graph what turns them back."""
    onnx = require("onnx")
    model.graph.initializer.remove(tensor)
    for name, array in arrays.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    for position, node in enumerate(nodes):
        model.graph.node.insert(position, node)


def _look_up(model: ModelProto, gather: NodeProto, name: str) -> None:
    """Makes a Gather look rows up in int8, and turns them back afterwards."""
    onnx = require("onnx")
    ids, rows = gather.input[1], gather.output[0]
    nodes = [
        onnx.helper.make_node("Gather", [f"{name}.i8", ids], [f"{rows}.i8"]),
        onnx.helper.make_node("Gather", [f"{name}.scale", ids], [f"{rows}.scale"]),
        _cast(f"{rows}.i8", f"{rows}.cast"),
        onnx.helper.make_node("Mul", [f"{rows}.cast", f"{rows}.scale"], [rows]),
    ]
    position = list(model.graph.node).index(gather)
    model.graph.node.remove(gather)
    for offset, node in enumerate(nodes):
        model.graph.node.insert(position + offset, node)
