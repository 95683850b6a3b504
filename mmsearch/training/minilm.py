"""MiniLM in torch: the text tower, written out so that it exports to a plain ONNX graph.

Wang et al. 2020, "MiniLM: Deep Self-Attention Distillation"; the weights are those of
sentence-transformers' all-MiniLM-L6-v2, a BERT of six layers.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

VOCABULARY = 30522
POSITIONS = 512
WIDTH = 384
HEADS = 12
LAYERS = 6
_EPSILON = 1e-12


class MiniLM(nn.Module):
    """Texts become features: means of several layers' outputs over the tokens.

    The first ``WIDTH`` features are the mean of the last layer's outputs, whose direction is the
    sentence embedding that all-MiniLM-L6-v2 is known for. Lower layers say more of single words.
    """

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, WIDTH)
        self.positions = nn.Embedding(POSITIONS, WIDTH)
        self.segment = nn.Parameter(torch.zeros(WIDTH))
        self.norm = nn.LayerNorm(WIDTH, eps=_EPSILON)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Features of texts.

        Args:
            ids: int64, shape (n, tokens).
            mask: int64, shape (n, tokens), 1 for tokens and 0 for padding.

        Returns:
            float32, shape (n, features).
        """
        positions = torch.arange(ids.shape[1], device=ids.device)
        hidden = self.norm(self.words(ids) + self.positions(positions) + self.segment)
        weights = mask.to(hidden.dtype).unsqueeze(2)
        weights = weights / weights.sum(dim=1, keepdim=True)
        barrier = (1 - mask.to(hidden.dtype))[:, None, None, :] * -1e9
        outputs = [hidden]
        for layer in self.layers:
            outputs.append(layer(outputs[-1], barrier))
        means = [(outputs[depth] * weights).sum(dim=1) for depth in FEATURE_LAYERS]
        return torch.cat(means, dim=1)

    def set_dropout(self, share: float) -> None:
        """Drops a share of what each layer adds, in training."""
        for layer in self.modules():
            if isinstance(layer, Layer):
                layer.dropout = share

    def load_transformers_state(self, state: Mapping[str, Tensor]) -> None:
        """Takes over a state dictionary of transformers' ``BertModel``."""
        own = {
            "words.weight": state["embeddings.word_embeddings.weight"],
            "positions.weight": state["embeddings.position_embeddings.weight"],
            "segment": state["embeddings.token_type_embeddings.weight"][0],
            "norm.weight": state["embeddings.LayerNorm.weight"],
            "norm.bias": state["embeddings.LayerNorm.bias"],
        }
        for number in range(LAYERS):
            for name, theirs in _LAYER_NAMES.items():
                for kind in ("weight", "bias"):
                    own[f"layers.{number}.{name}.{kind}"] = state[
                        f"encoder.layer.{number}.{theirs}.{kind}"
                    ]
        self.load_state_dict(own)


FEATURE_LAYERS = (6, 4, 2, 0)
"""Whose outputs the features are the means of; 0 is the word embeddings."""

_LAYER_NAMES = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "out": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "norm": "output.LayerNorm",
}


class Layer(nn.Module):
    """One layer of BERT: self-attention and a feed-forward net, each normalised afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(WIDTH, WIDTH)
        self.key = nn.Linear(WIDTH, WIDTH)
        self.value = nn.Linear(WIDTH, WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.attention_norm = nn.LayerNorm(WIDTH, eps=_EPSILON)
        self.up = nn.Linear(WIDTH, 4 * WIDTH)
        self.down = nn.Linear(4 * WIDTH, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, eps=_EPSILON)
        self.dropout = 0.0

    def forward(self, hidden: Tensor, barrier: Tensor) -> Tensor:
        """One step; ``barrier`` is added to the attention scores, shape (n, 1, 1, tokens)."""
        query, key, value = (
            project(hidden).unflatten(2, (HEADS, WIDTH // HEADS)).transpose(1, 2)
            for project in (self.query, self.key, self.value)
        )
        scores = query @ key.transpose(2, 3) / (WIDTH // HEADS) ** 0.5
        attended = (scores + barrier).softmax(dim=3) @ value
        attended = self.out(attended.transpose(1, 2).flatten(2))
        hidden = self.attention_norm(hidden + self._dropped(attended))
        changed = self.down(nn.functional.gelu(self.up(hidden)))
        normed: Tensor = self.norm(hidden + self._dropped(changed))
        return normed

    def _dropped(self, added: Tensor) -> Tensor:
        """Dropout in training, the same for all tokens of a text: a mask a token takes too long."""
        if not self.training or not self.dropout:
            return added
        kept = torch.rand(len(added), 1, WIDTH, device=added.device) >= self.dropout
        return added * (kept.to(added.dtype) / (1 - self.dropout))
