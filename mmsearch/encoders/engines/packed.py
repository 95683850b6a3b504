"""torch, with an image tower's layers rewritten as the CPU runs them fastest.

torch's eager layers spend time on more than matrix products: weights are put in order for oneDNN in
each call, biases and GELU are passes of their own over memory. Here weights are ordered once, and
biases and GELU are applied while the product is in registers (oneDNN's post-operations);
attention over few tokens is two batched products. It is what torch.compile makes of the products,
without compiling anything.
"""

from __future__ import annotations

import copy
import logging
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from mmsearch.encoders.engines.base import Run, Tower

_log = logging.getLogger(__name__)

_FEW_TOKENS = 512  # with more, the scores of attention would fill the cache


def is_available() -> bool:
    """Whether torch was built with these operators."""
    # Underscored, but what torch.compile itself calls; releases that lack them use the plain tower.
    operators = ("_reorder_linear_weight", "_linear_pointwise")
    return torch.backends.mkldnn.is_available() and all(  # type: ignore[no-untyped-call]
        hasattr(torch.ops.mkldnn, name) for name in operators
    )


def start(tower: Tower) -> Run:
    """The tower with its layers rewritten; as it is where that is not possible."""
    if not is_available():
        return tower.visual  # type: ignore[no-any-return]
    try:
        packed = rewrite(tower.visual, pack=True)
        packed(tower.example)
    except (
        RuntimeError,
        NotImplementedError,
        TypeError,
    ) as error:
        _log.info("The image tower runs as it is: %s", error)
        return tower.visual  # type: ignore[no-any-return]
    return packed


def rewrite(visual: nn.Module, *, pack: bool) -> nn.Module:
    """A copy of an image tower that shares its weights and computes the same.

    Args:
        visual: in evaluation mode.
        pack: whether linear layers hold their weights in oneDNN's order, and GELU is part of them.
            Without it, only attention is written out, for exporters to see through.
    """
    shared = {id(tensor): tensor for tensor in (*visual.parameters(), *visual.buffers())}
    tower: nn.Module = copy.deepcopy(visual, shared)
    for module in list(tower.modules()):
        if pack:
            _join_gelu(module)
        for name, child in list(module.named_children()):
            if isinstance(child, nn.MultiheadAttention) and _is_plain(child):
                setattr(module, name, _Attention(child, pack=pack))
            elif pack and type(child) is nn.Linear:
                setattr(module, name, _Linear(child.weight, child.bias))
    return tower


class _Linear(nn.Module):
    """A linear layer, and perhaps a GELU after it."""

    def __init__(self, weight: Tensor, bias: Tensor | None, gelu: str | None = None) -> None:
        super().__init__()
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), None)
        self._bias = None if bias is None else bias.detach()
        self._post = ("none", "") if gelu is None else ("gelu", gelu)

    def forward(self, rows: Tensor) -> Tensor:
        operation, algorithm = self._post
        result: Tensor = torch.ops.mkldnn._linear_pointwise(
            rows, self._packed, self._bias, operation, [], algorithm
        )
        return result


class _Attention(nn.Module):
    """Self-attention as `torch.nn.MultiheadAttention` computes it, without its fast path.

    What is no self-attention, or has a mask, is left to the original.
    """

    def __init__(self, original: nn.MultiheadAttention, *, pack: bool) -> None:
        super().__init__()
        self._original = original
        self._heads = original.num_heads
        weight, bias = original.in_proj_weight, original.in_proj_bias
        out = original.out_proj
        self._project: Any
        self._out: nn.Module
        if pack:
            self._project = _Linear(weight, bias)
            self._out = _Linear(out.weight, out.bias)
        else:
            self._project = partial(nn.functional.linear, weight=weight, bias=bias)
            self._out = out

    def forward(  # the original's signature
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        **more: Any,
    ) -> tuple[Tensor, Tensor | None]:
        if key is not query or value is not query or need_weights or attn_mask is not None or more:
            return self._original(  # type: ignore[no-any-return]
                query, key, value, need_weights=need_weights, attn_mask=attn_mask, **more
            )
        images, tokens, width = query.shape
        each = width // self._heads
        projected = self._project(query).view(images, tokens, 3, self._heads, each)
        queries, keys, values = projected.permute(2, 0, 3, 1, 4)
        seen = _attend(queries, keys, values)
        return self._out(seen.transpose(1, 2).reshape(images, tokens, width)), None


def _attend(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Scaled dot product attention; each of shape (images, heads, tokens, width of a head)."""
    if queries.shape[2] > _FEW_TOKENS:
        return nn.functional.scaled_dot_product_attention(queries, keys, values)
    images, heads, tokens, each = queries.shape
    # torch's fused operator takes twice as long for so few tokens.
    q, k, v = (part.reshape(images * heads, tokens, each) for part in (queries, keys, values))
    scores = torch.baddbmm(
        q.new_empty(images * heads, tokens, tokens), q, k.transpose(1, 2), beta=0, alpha=each**-0.5
    )
    return torch.bmm(scores.softmax(-1), v).view(images, heads, tokens, each)


def _is_plain(attention: nn.MultiheadAttention) -> bool:
    return (
        attention.batch_first
        and attention.in_proj_weight is not None
        and attention.bias_k is None
        and not attention.add_zero_attn
    )


def _join_gelu(module: nn.Module) -> None:
    """Makes GELU a part of the linear layer before it, in the two forms that towers have."""
    if isinstance(module, nn.Sequential):  # open_clip
        pairs = list(pairwise(module._modules))
    elif hasattr(module, "fc1") and hasattr(module, "act"):  # timm's Mlp
        pairs = [("fc1", "act")]
    else:
        return
    for first, second in pairs:
        linear, gelu = getattr(module, first), _gelu(getattr(module, second))
        if type(linear) is nn.Linear and gelu is not None:
            setattr(module, first, _Linear(linear.weight, linear.bias, gelu))
            setattr(module, second, nn.Identity())


def _gelu(activation: nn.Module) -> str | None:
    """How an activation computes GELU, ``none`` or ``tanh``; None where it is another function."""
    if isinstance(activation, nn.GELU):
        return activation.approximate
    return {"GELU": "none", "GELUTanh": "tanh"}.get(type(activation).__name__)
