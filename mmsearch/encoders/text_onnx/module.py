"""Text towers of open_clip as modules that can be exported."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from mmsearch.encoders.text_onnx.graph import RUNTIME


def whole_tower(model: Any) -> nn.Module:
    """A float32 copy of an open_clip model's text tower, which runs it as open_clip does."""
    return _Whole(_without_images(model)).float().eval()


def causal_tower(model: Any) -> nn.Module | None:
    """The same for texts of any length, where that gives the same: in CLIP's own text tower.

    There no token sees those after it, and only the one that ends a text counts; what fills the
    context up to its length is computed for nothing, nine tenths of it for most queries.

    Returns:
        The tower; None where the model's is of another kind.
    """
    from open_clip.transformer import ResidualAttentionBlock

    text = getattr(model, "text", model)
    blocks = getattr(getattr(text, "transformer", None), "resblocks", ())
    pooling = getattr(text, "text_pool_type", getattr(text, "pool_type", None))
    if (
        not len(blocks)
        or any(type(block) is not ResidualAttentionBlock for block in blocks)
        or getattr(text, "attn_mask", None) is None
        or getattr(text, "cls_emb", None) is not None
        or pooling != "argmax"
    ):
        return None
    return _Causal(_without_images(model)).float().eval()


def _without_images(model: Any) -> Any:
    """A copy without the image tower."""
    return copy.deepcopy(model, {id(model.visual): None})


class _Whole(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        features: Tensor = self.model.encode_text(tokens)
        return features


class _Causal(nn.Module):
    """CLIP's text tower: as many positions as there are tokens, attention as one operator."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        text = getattr(model, "text", model)
        self.embedding = text.token_embedding
        self.positions = text.positional_embedding
        self.blocks = nn.ModuleList(_Block(block) for block in text.transformer.resblocks)
        self.norm = text.ln_final
        self.projection = text.text_projection

    def forward(self, tokens: Tensor) -> Tensor:
        """Features, float32, shape (n, dim), of tokens, int64, shape (n, length)."""
        hidden = self.embedding(tokens) + self.positions[: tokens.shape[1]]
        for block in self.blocks:
            hidden = block(hidden)
        last = hidden[torch.arange(tokens.shape[0]), tokens.argmax(dim=1)]
        features: Tensor = self.norm(last)
        if self.projection is None:
            return features
        is_layer = isinstance(self.projection, nn.Linear)
        projected: Tensor = self.projection(features) if is_layer else features @ self.projection
        return projected


class _Block(nn.Module):
    def __init__(self, block: Any) -> None:
        super().__init__()
        attention = block.attn
        self.project = nn.Linear(attention.embed_dim, 3 * attention.embed_dim)
        self.project.weight, self.project.bias = attention.in_proj_weight, attention.in_proj_bias
        self.out = attention.out_proj
        self.heads = attention.num_heads
        self.block = block
        block.attn = None

    def forward(self, hidden: Tensor) -> Tensor:
        block = self.block
        query, key, value = self.project(block.ln_1(hidden)).chunk(3, dim=2)
        attended = _Attention.apply(query, key, value, self.heads)
        hidden = hidden + block.ls_1(self.out(attended))
        after: Tensor = hidden + block.ls_2(block.mlp(block.ln_2(hidden)))
        return after


class _Attention(torch.autograd.Function):
    """Causal attention of several heads, exported as ``MultiHeadAttention``."""

    @staticmethod
    def forward(_context: Any, query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
        query, key, value = (
            part.reshape(*part.shape[:2], heads, -1).transpose(1, 2) for part in (query, key, value)
        )
        attended = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return attended.transpose(1, 2).flatten(2)

    @staticmethod
    def symbolic(graph: Any, query: Any, key: Any, value: Any, heads: int) -> Any:
        attended = graph.op(
            f"{RUNTIME}::MultiHeadAttention",
            query, key, value, num_heads_i=heads, unidirectional_i=1,
        )  # fmt: skip
        return attended.setType(query.type())
