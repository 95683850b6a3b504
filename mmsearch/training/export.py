"""Towers become compact ONNX files that ONNX Runtime runs fast on one core.

- The image tower: weights as int8 with a scale an output channel where that is most of the file,
  as float16 elsewhere. ONNX Runtime turns them back into float32 once, when the file is loaded,
  and computes in float32. Depthwise convolutions stay float16: they hold few weights.
- The text tower: matrices as int8 with a scale for every 32 weights, which the operator
  ``MatMulNBits`` multiplies with as they are; it rounds activations to int8 likewise, 32 at a time
  within one token. So an embedding does not depend on what else is in its batch, as it would with
  one scale a tensor. Word embeddings are int8 with a scale a row, attention is one operator.

``MatMulNBits`` and ``MultiHeadAttention`` are ONNX Runtime's own (``com.microsoft``), the former
with int8 kernels for x86 since 1.22 and for ARM since 1.23.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmsearch.training.minilm import HEADS, WIDTH, Layer
from mmsearch.training.towers import require

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

IMAGE_OUTPUTS = ("features", "logits", "regions")
TEXT_OUTPUTS = ("features", "states")
OPSET = 17
BLOCK = 32
"""Weights that share a scale in the text tower; with 128, embeddings depended on their batch."""

_RUNTIME = "com.microsoft"  # the domain of ONNX Runtime's own operators
_INT8 = 4  # accuracy_level of MatMulNBits: activations as int8
_SMALL = 1024  # parameters; smaller tensors stay float32


def export_image_tower(tower: nn.Module, side: int, path: Path) -> None:
    """Writes an image tower; the file takes one photo at a time.

    With all shapes known, padding is part of the convolutions, which saves a tenth of the time.

    Args:
        tower: maps uint8 pixels (1, side, side, 3) to features, logits and, if it likes, regions.
        side: of the photos, pixels.
        path: the ONNX file. Its outputs are the first of :data:`IMAGE_OUTPUTS`; those that are
            not asked for cost no time.
    """
    pixels = torch.zeros((1, side, side, 3), dtype=torch.uint8)
    model = _to_onnx(tower, {"pixels": pixels}, IMAGE_OUTPUTS, {}, {}, path)
    store_convolutions(model)
    require("onnx").save(model, path)


def export_text_tower(tower: nn.Module, path: Path) -> None:
    """Writes a text tower.

    Args:
        tower: maps ids and mask, int64 of shape (n, tokens), to features, or to features and the
            tokens' states.
        path: the ONNX file. Its outputs are the first of :data:`TEXT_OUTPUTS`; those that are
            not asked for cost no time.
    """
    ids = torch.ones((2, 8), dtype=torch.int64)
    shape = {0: "n", 1: "tokens"}
    dynamic = {"ids": shape, "mask": shape, "features": {0: "n"}, "states": shape}
    inputs, operators = {"ids": ids, "mask": ids}, {_RUNTIME: 1}
    model = _to_onnx(fused(tower), inputs, TEXT_OUTPUTS, dynamic, operators, path)
    store_matrices(model)
    require("onnx").save(model, path)


def _to_onnx(
    module: nn.Module,
    inputs: dict[str, Tensor],
    outputs: Sequence[str],
    dynamic: Mapping[str, dict[int, str]],
    operators: Mapping[str, int],
    path: Path,
) -> ModelProto:
    """A module as ONNX, its outputs named by the first of those names.

    torch warns of other domains of ``operators``, with versions, than those that are in use.
    """
    module = module.eval()
    with torch.inference_mode():
        found = module(*inputs.values())
    names = list(outputs[: 1 if isinstance(found, Tensor) else len(found)])
    with warnings.catch_warnings():
        # The exporter that this one is deprecated for needs yet another package.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            tuple(inputs.values()),
            path,
            input_names=list(inputs),
            output_names=names,
            dynamic_axes={
                name: axes for name, axes in dynamic.items() if name in (*inputs, *names)
            },
            opset_version=OPSET,
            dynamo=False,
            custom_opsets=dict(operators),
        )
    model: ModelProto = require("onnx").load(path)
    return model


def fused(tower: nn.Module) -> nn.Module:
    """A copy of a text tower whose layers export as few operators."""
    tower = copy.deepcopy(tower)
    for module in list(tower.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Layer):
                setattr(module, name, _FusedLayer(child))
    return tower


class _FusedLayer(nn.Module):
    """A layer with one product for queries, keys and values, and attention as one operator."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        parts = (layer.query, layer.key, layer.value)
        self.project = nn.Linear(WIDTH, 3 * WIDTH)
        self.project.weight = nn.Parameter(torch.cat([part.weight for part in parts]))
        self.project.bias = nn.Parameter(torch.cat([part.bias for part in parts]))
        self.layer = layer

    def forward(self, hidden: Tensor, barrier: Tensor) -> Tensor:
        """One step; ``barrier`` as in `Layer`, shape (n, 1, 1, tokens)."""
        layer = self.layer
        query, key, value = self.project(hidden).split(WIDTH, dim=2)
        mask = (barrier.flatten(1) >= 0).to(torch.int32)
        attended = _Attention.apply(query, key, value, mask)
        hidden = layer.attention_norm(hidden + layer.out(attended))
        normed: Tensor = layer.norm(hidden + layer.down(nn.functional.gelu(layer.up(hidden))))
        return normed


class _Attention(torch.autograd.Function):
    """Attention of several heads, exported as ``MultiHeadAttention``."""

    @staticmethod
    def forward(_context: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        query, key, value = (
            part.reshape(*part.shape[:2], HEADS, WIDTH // HEADS).transpose(1, 2)
            for part in (query, key, value)
        )
        attended = nn.functional.scaled_dot_product_attention(
            query, key, value, mask[:, None, None, :].bool()
        )
        return attended.transpose(1, 2).flatten(2)

    @staticmethod
    def symbolic(graph: Any, query: Any, key: Any, value: Any, mask: Any) -> Any:
        # The bias of the projections: they have added theirs, but the mask comes after it.
        none = graph.op("Constant", value_t=torch.zeros(3 * WIDTH))
        attended = graph.op(
            f"{_RUNTIME}::MultiHeadAttention",
            query, key, value, none, mask, num_heads_i=HEADS, mask_filter_value_f=-1e9,
        )  # fmt: skip
        return attended.setType(query.type())


def store_convolutions(model: ModelProto) -> None:
    """Stores the large weights of an image tower, in place: int8 or, if grouped, float16."""
    onnx = require("onnx")
    dense = {
        node.input[1]
        for node in model.graph.node
        if node.op_type == "Gemm" or (node.op_type == "Conv" and _attribute(node, "group", 1) == 1)
    }
    for tensor in _large_weights(model):
        name = tensor.name
        values = onnx.numpy_helper.to_array(tensor)
        if name not in dense:
            half: NDArray[Any] = values.astype(np.float16)
            _replace(model, tensor, {f"{name}.f16": half}, [_cast(f"{name}.f16", name)])
            continue
        stored, scale = quantise(values.reshape(len(values), -1), axis=1)
        arrays: dict[str, NDArray[Any]] = {
            f"{name}.i8": stored.reshape(values.shape),
            f"{name}.scale": scale.reshape(-1, *[1] * (values.ndim - 1)),
        }
        nodes = [
            _cast(f"{name}.i8", f"{name}.cast"),
            onnx.helper.make_node("Mul", [f"{name}.cast", f"{name}.scale"], [name]),
        ]
        _replace(model, tensor, arrays, nodes)


def store_matrices(model: ModelProto) -> None:
    """Stores the large matrices of a text tower as int8, in place."""
    onnx = require("onnx")
    users = {name: node for node in model.graph.node for name in node.input}
    for tensor in _large_weights(model):
        name, user = tensor.name, users[tensor.name]
        values = onnx.numpy_helper.to_array(tensor)
        if user.op_type == "Gather":
            # Only the rows that were looked up are turned back.
            stored, scale = quantise(values, axis=1)
            _replace(model, tensor, {f"{name}.i8": stored, f"{name}.scale": scale}, [])
            _look_up(model, user, name)
        elif user.op_type == "MatMul" and len(values) % BLOCK == 0:
            packed, scales = quantise_blocks(values)
            _replace(model, tensor, {f"{name}.u8": packed, f"{name}.scales": scales}, [])
            _multiply(model, user, name, values.shape)
        else:
            half: NDArray[Any] = values.astype(np.float16)
            _replace(model, tensor, {f"{name}.f16": half}, [_cast(f"{name}.f16", name)])


def quantise_blocks(
    values: NDArray[np.float32],
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A matrix as ``MatMulNBits`` takes it.

    Args:
        values: shape (inputs, outputs), inputs a multiple of :data:`BLOCK`.

    Returns:
        uint8 of shape (outputs, blocks, BLOCK), with 128 for zero, and scales, float32 of shape
        (outputs, blocks). No value differs by more than half its scale.
    """
    blocks = values.T.reshape(-1, BLOCK)
    stored, scale = quantise(blocks, axis=1)
    shape = (values.shape[1], values.shape[0] // BLOCK)
    packed = (stored.astype(np.int16) + 128).astype(np.uint8)
    return packed.reshape(*shape, BLOCK), scale.reshape(shape)


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


def _multiply(model: ModelProto, product: NodeProto, name: str, shape: tuple[int, ...]) -> None:
    """Makes a MatMul multiply with what ``quantise_blocks`` made of its matrix."""
    node = require("onnx").helper.make_node(
        "MatMulNBits",
        [product.input[0], f"{name}.u8", f"{name}.scales"],
        list(product.output),
        domain=_RUNTIME,
        K=shape[0],
        N=shape[1],
        bits=8,
        block_size=BLOCK,
        accuracy_level=_INT8,
    )
    position = list(model.graph.node).index(product)
    model.graph.node.remove(product)
    model.graph.node.insert(position, node)


def _attribute(node: NodeProto, name: str, otherwise: int) -> int:
    return next((found.i for found in node.attribute if found.name == name), otherwise)
