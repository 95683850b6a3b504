"""Text towers of open_clip as modules that can be exported."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from mmsearch.encoders.text_onnx.graph import RUNTIME


def whole_tower(model: Any) -> nn.Module:
    """A float32 copy of an open_clip model's text tower, which runs it as open_clip does."""
    return _Whole(_without_images(model)).float().eval()


def lean_tower(model: Any) -> LeanTower | None:
    """The same in few operators, for towers of open_clip's own layers; None for others."""
    from open_clip.transformer import ResidualAttentionBlock

    text = getattr(model, "text", model)
    blocks = getattr(getattr(text, "transformer", None), "resblocks", ())
    pooling = getattr(text, "text_pool_type", getattr(text, "pool_type", None))
    if (
        not len(blocks)
        or any(type(block) is not ResidualAttentionBlock for block in blocks)
        or getattr(text, "cls_emb", None) is not None
        or pooling not in _POOLINGS
    ):
        return None
    copied = _without_images(model)
    tower = LeanTower(getattr(copied, "text", copied), pooling)
    return tower.float().eval()


@contextmanager
def exportable_attention() -> Iterator[None]:
    """Keeps torch from taking a kernel for attention that nothing can be exported of."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


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


_POOLINGS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "first": lambda hidden, tokens: hidden[:, 0],
    "last": lambda hidden, tokens: hidden[:, -1],
    # shape[0], not len(): what is exported must take any number of texts
    "argmax": lambda hidden, tokens: hidden[torch.arange(tokens.shape[0]), tokens.argmax(dim=1)],
}
"""Which token's state stands for a text, by open_clip's names."""


class LeanTower(nn.Module):
    """A text tower with as many positions as there are tokens, and attention as one operator.

    Attributes:
        is_short: whether a text need not be filled up to the length of the context: in CLIP's own
            tower no token sees those after it and only the one that ends a text counts, so what
            follows is computed for nothing, nine tenths of it for most queries.
    """

    def __init__(self, text: Any, pooling: str) -> None:
        super().__init__()
        is_causal = text.attn_mask is not None
        self.is_short = is_causal and pooling == "argmax"
        self.embedding = text.token_embedding
        self.positions = text.positional_embedding
        blocks = text.transformer.resblocks
        self.blocks = nn.ModuleList(_Block(block, is_causal=is_causal) for block in blocks)
        self.norm = text.ln_final
        self.pool = _POOLINGS[pooling]
        self.projection = text.text_projection

    def forward(self, tokens: Tensor) -> Tensor:
        """Features, float32, shape (n, dim), of tokens, int64, shape (n, length)."""
        hidden = self.embedding(tokens) + self.positions[: tokens.shape[1]]
        for block in self.blocks:
            hidden = block(hidden)
        features: Tensor = self.norm(self.pool(hidden, tokens))
        if self.projection is None:
            return features
        is_layer = isinstance(self.projection, nn.Linear)
        projected: Tensor = self.projection(features) if is_layer else features @ self.projection
        return projected


class _Block(nn.Module):
    def __init__(self, block: Any, *, is_causal: bool) -> None:
        super().__init__()
        attention = block.attn
        self.project = nn.Linear(attention.embed_dim, 3 * attention.embed_dim)
        self.project.weight, self.project.bias = attention.in_proj_weight, attention.in_proj_bias
        self.out = attention.out_proj
        self.heads = attention.num_heads
        self.is_causal = is_causal
        self.block = block
        block.attn = None

    def forward(self, hidden: Tensor) -> Tensor:
        block = self.block
        query, key, value = self.project(block.ln_1(hidden)).chunk(3, dim=2)
        attended = _Attention.apply(query, key, value, self.heads, self.is_causal)
        hidden = hidden + block.ls_1(self.out(attended))
        after: Tensor = hidden + block.ls_2(block.mlp(block.ln_2(hidden)))
        return after


class _Attention(torch.autograd.Function):
    """Attention of several heads, exported as ``MultiHeadAttention``."""

    @staticmethod
    def forward(
        _context: Any, query: Tensor, key: Tensor, value: Tensor, heads: int, is_causal: bool
    ) -> Tensor:
        query, key, value = (
            part.reshape(*part.shape[:2], heads, -1).transpose(1, 2) for part in (query, key, value)
        )
        attended = nn.functional.scaled_dot_product_attention(
            query, key, value, is_causal=is_causal
        )
        return attended.transpose(1, 2).flatten(2)

    @staticmethod
    def symbolic(graph: Any, query: Any, key: Any, value: Any, heads: int, is_causal: bool) -> Any:
        attended = graph.op(
            f"{RUNTIME}::MultiHeadAttention",
            query, key, value, num_heads_i=heads, unidirectional_i=int(is_causal),
        )  # fmt: skip
        return attended.setType(query.type())
