"""open_clip's text towers, without the padding.

In CLIP's own text tower no token sees those after it, and only the state of the one that ends a
text counts. So what follows the longest text of a batch is computed for nothing: of the 77 tokens
that open_clip fills up to, captions and queries have about ten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def encode_texts(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    """Embeds texts as ``model.encode_text`` does.

    Args:
        model: one of open_clip's, in evaluation mode.
        tokens: int64, shape (n, context length), n at least 1.

    Returns:
        Shape (n, dim), not normalised.
    """
    import torch

    text = getattr(model, "text", model)
    if not _is_causal(text):
        return model.encode_text(tokens)  # type: ignore[no-any-return]
    ends = tokens.argmax(dim=1)  # the token that ends a text has the highest number
    length = int(ends.max()) + 1
    positions = text.positional_embedding[:length]
    hidden = text.token_embedding(tokens[:, :length]) + positions
    hidden = text.transformer(hidden, attn_mask=text.attn_mask[:length, :length])
    features = text.ln_final(hidden[torch.arange(len(tokens), device=tokens.device), ends])
    projection = text.text_projection
    if projection is None:
        return features  # type: ignore[no-any-return]
    is_layer = isinstance(projection, torch.nn.Linear)
    return projection(features) if is_layer else features @ projection  # type: ignore[no-any-return]


def _is_causal(text: Any) -> bool:
    pooling = getattr(text, "text_pool_type", getattr(text, "pool_type", None))
    return (
        pooling == "argmax"
        and getattr(text, "attn_mask", None) is not None
        and getattr(text, "cls_emb", None) is None
        and getattr(text, "ln_final", None) is not None
    )
