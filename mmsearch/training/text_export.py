"""The text tower becomes a compact ONNX file that ONNX Runtime runs fast on one core.

Matrices are int8 with a scale for every 32 weights, which the operator ``MatMulNBits`` multiplies
with as they are; it rounds activations to int8 likewise, 32 at a time within one token. So an
embedding does not depend on what else is in its batch, as it would with one scale a tensor. Word
embeddings are int8 with a scale a row, attention is one operator.

``MatMulNBits`` and ``MultiHeadAttention`` are ONNX Runtime's own (``com.microsoft``), the former
with int8 kernels for x86 since 1.22 and for ARM since 1.23.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
import torch
from torch import Tensor, nn

from mmsearch.encoders.text_onnx.graph import RUNTIME, to_int8
from mmsearch.training.minilm import HEADS, WIDTH, Layer

if TYPE_CHECKING:
    from onnx import ModelProto

TEXT_OUTPUTS = ("features", "states")
OPSET = 17


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
    model = to_onnx(fused(tower), inputs, TEXT_OUTPUTS, dynamic, operators, path)
    to_int8(model)
    onnx.save(model, path)


def to_onnx(
    module: nn.Module,
    inputs: dict[str, Tensor],
    outputs: Sequence[str],
    dynamic: Mapping[str, dict[int, str]],
    operators: Mapping[str, int],
    path: Path,
) -> ModelProto:
    """Writes a module as ONNX, and reads it again.

    Args:
        module: what to write.
        inputs: examples of what it takes, by their names in the file.
        outputs: names; as many of the first as it gives are used.
        dynamic: axes of inputs and outputs that may have any size, with names.
        operators: domains of operators that it uses besides ONNX's own, with their versions; torch
            warns of others.
        path: the file.
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
