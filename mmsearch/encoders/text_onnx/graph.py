"""Makes the weights of an exported tower small: int8, or float16.

int8 matrices have a scale for every 32 weights and are multiplied as they are, by the operator
``MatMulNBits`` of ONNX Runtime; it rounds activations to int8 likewise, 32 at a time within one
token, so that a text's embedding does not depend on what else is in its batch. A table of word
embeddings has a scale a row, and only the rows that are looked up are turned back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

RUNTIME = "com.microsoft"
"""The domain of ONNX Runtime's own operators."""

BLOCK = 32
"""Weights of a matrix that share a scale; with 128, embeddings depended on their batch."""

_INT8 = 4  # accuracy_level of MatMulNBits: activations as int8
_ZERO = 128  # of its unsigned bytes
_SMALL = 1024  # weights; smaller tensors stay float32


def to_int8(model: ModelProto) -> None:
    """Stores matrices and tables as int8, in place; what fits neither as float16."""
    for tensor, user in _large_weights(model):
        values = onnx.numpy_helper.to_array(tensor)
        if user.op_type == "Gather":
            _store_table(model, tensor, user, values)
        elif user.op_type == "MatMul" and user.input[1] == tensor.name and not len(values) % BLOCK:
            _store_matrix(model, tensor, user, values)
        else:
            _store_half(model, tensor, user)


def to_float16(model: ModelProto) -> None:
    """Stores matrices and tables as float16, in place; they are computed with in float32."""
    for tensor, user in _large_weights(model):
        _store_half(model, tensor, user)


def _large_weights(model: ModelProto) -> list[tuple[TensorProto, NodeProto]]:
    """Weights worth storing otherwise that one node uses, with that node."""
    users: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    return [
        (tensor, users[tensor.name][0])
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
        and len(tensor.dims) == 2
        and np.prod(tensor.dims) >= _SMALL
        and len(users.get(tensor.name, ())) == 1
    ]


def _store_table(
    model: ModelProto, tensor: TensorProto, gather: NodeProto, values: NDArray[np.float32]
) -> None:
    name, ids, rows = tensor.name, gather.input[1], gather.output[0]
    stored, scale = quantise(values, axis=1)
    nodes = [
        onnx.helper.make_node("Gather", [f"{name}.i8", ids], [f"{rows}.i8"]),
        onnx.helper.make_node("Gather", [f"{name}.scale", ids], [f"{rows}.scale"]),
        cast(f"{rows}.i8", f"{rows}.cast"),
        onnx.helper.make_node("Mul", [f"{rows}.cast", f"{rows}.scale"], [rows]),
    ]
    replace_weight(model, tensor, {f"{name}.i8": stored, f"{name}.scale": scale})
    _replace_node(model, gather, nodes)


def _store_matrix(
    model: ModelProto, tensor: TensorProto, product: NodeProto, values: NDArray[np.float32]
) -> None:
    inputs, outputs = values.shape
    names = (f"{tensor.name}.u8", f"{tensor.name}.scales")
    node = onnx.helper.make_node(
        "MatMulNBits",
        [product.input[0], *names],
        list(product.output),
        domain=RUNTIME,
        K=inputs,
        N=outputs,
        bits=8,
        block_size=BLOCK,
        accuracy_level=_INT8,
    )
    replace_weight(model, tensor, dict(zip(names, quantise_blocks(values), strict=True)))
    _replace_node(model, product, [node])


def _store_half(model: ModelProto, tensor: TensorProto, user: NodeProto) -> None:
    """Stores a weight as float16; of a table, only the rows that are looked up become float32."""
    name, half = tensor.name, f"{tensor.name}.f16"
    replace_weight(model, tensor, {half: onnx.numpy_helper.to_array(tensor).astype(np.float16)})
    if user.op_type == "Gather":
        rows = user.output[0]
        look_up = onnx.helper.make_node("Gather", [half, user.input[1]], [f"{rows}.f16"])
        _replace_node(model, user, [look_up, cast(f"{rows}.f16", rows)])
    else:
        model.graph.node.insert(_place_of(model, user), cast(half, name))


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
    stored, scale = quantise(values.T.reshape(-1, BLOCK), axis=1)
    blocks = (values.shape[1], values.shape[0] // BLOCK)
    shifted = (stored.astype(np.int16) + _ZERO).astype(np.uint8)
    return shifted.reshape(*blocks, BLOCK), scale.reshape(blocks)


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
    return np.clip(np.rint(values / scale), -127, 127).astype(np.int8), scale


def replace_weight(model: ModelProto, tensor: TensorProto, arrays: dict[str, NDArray[Any]]) -> None:
    """Puts arrays, by their names, in the place of a weight."""
    model.graph.initializer.remove(tensor)
    for name, array in arrays.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))


def _replace_node(model: ModelProto, node: NodeProto, nodes: Sequence[NodeProto]) -> None:
    place = _place_of(model, node)
    model.graph.node.remove(node)
    for offset, one in enumerate(nodes):
        model.graph.node.insert(place + offset, one)


def _place_of(model: ModelProto, node: NodeProto) -> int:
    return list(model.graph.node).index(node)


def cast(source: str, target: str) -> NodeProto:
    """A node that turns what is stored into float32."""
    node: NodeProto = onnx.helper.make_node("Cast", [source], [target], to=onnx.TensorProto.FLOAT)
    return node
