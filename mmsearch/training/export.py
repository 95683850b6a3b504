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
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmsearch.encoders.text_onnx.graph import RUNTIME, cast, quantise, replace_weight, to_int8
from mmsearch.training.minilm import HEADS, WIDTH, Layer

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

IMAGE_OUTPUTS = ("features", "logits", "regions")
TEXT_OUTPUTS = ("features", "states")
OPSET = 17

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
    onnx.save(model, path)


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
    inputs, operators = {"ids": ids, "mask": ids}, {RUNTIME: 1}
    model = _to_onnx(fused(tower), inputs, TEXT_OUTPUTS, dynamic, operators, path)
    to_int8(model)
    onnx.save(model, path)


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
    model: ModelProto = onnx.load(path)
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
            f"{RUNTIME}::MultiHeadAttention",
            query, key, value, none, mask, num_heads_i=HEADS, mask_filter_value_f=-1e9,
        )  # fmt: skip
        return attended.setType(query.type())


def store_convolutions(model: ModelProto) -> None:
    """Stores the large weights of an image tower, in place: int8 or, if grouped, float16."""
    dense = {
        node.input[1]
        for node in model.graph.node
        if node.op_type == "Gemm" or (node.op_type == "Conv" and _attribute(node, "group", 1) == 1)
    }
    for tensor in _large_weights(model):
        name = tensor.name
        values = onnx.numpy_helper.to_array(tensor)
        if name in dense:
            stored, scale = quantise(values.reshape(len(values), -1), axis=1)
            arrays: dict[str, NDArray[Any]] = {
                f"{name}.i8": stored.reshape(values.shape),
                f"{name}.scale": scale.reshape(-1, *[1] * (values.ndim - 1)),
            }
            nodes = [
                cast(f"{name}.i8", f"{name}.cast"),
                onnx.helper.make_node("Mul", [f"{name}.cast", f"{name}.scale"], [name]),
            ]
        else:
            arrays = {f"{name}.f16": values.astype(np.float16)}
            nodes = [cast(f"{name}.f16", name)]
        replace_weight(model, tensor, arrays)
        for position, node in enumerate(nodes):
            model.graph.node.insert(position, node)


def _large_weights(model: ModelProto) -> list[TensorProto]:
    return [
        tensor
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
        and len(tensor.dims) >= 2
        and np.prod(tensor.dims) >= _SMALL
    ]


def _attribute(node: NodeProto, name: str, otherwise: int) -> int:
    return next((found.i for found in node.attribute if found.name == name), otherwise)
