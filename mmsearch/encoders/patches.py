"""What an open_clip image tower sees in each patch of an image, in the space of its embeddings.

Towers are trained on what they pool from their patches, and say little of a single one. How each
kind is made to is known from open-vocabulary segmentation:

- CLIP's own vision transformers pool in the class token, which only attends in the last block.
  There, patches attend to patches with like queries, and what they gain by it is all that is kept,
  without the residual connection and without the feed-forward layer (Lan et al. 2024, ClearCLIP,
  after Zhou et al. 2022, MaskCLIP, and Li et al. 2023, CLIP Surgery).
- Towers that pool by attention from outside (SigLIP) or by a mean (ConvNeXt) pool each patch alone,
  as Zhou et al. 2022 do: what attends to a single patch sees its value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def patch_embeddings(visual: Any, images: torch.Tensor) -> torch.Tensor | None:
    """Embeddings of the patches of one image.

    Args:
        visual: the image tower of one of open_clip's models, in evaluation mode.
        images: as the tower takes them, shape (1, 3, height, width).

    Returns:
        Shape (rows, columns, dim), not normalised; None where the tower is of another kind.
    """
    from open_clip.timm_model import TimmModel
    from open_clip.transformer import VisionTransformer

    if isinstance(visual, VisionTransformer):
        return _of_transformer(visual, images)
    if isinstance(visual, TimmModel):
        return _pooled_alone(visual, images)
    return None


def _of_transformer(visual: Any, images: torch.Tensor) -> torch.Tensor | None:
    from open_clip.transformer import ResidualAttentionBlock
    from torch.nn import MultiheadAttention
    from torch.nn.functional import linear, scaled_dot_product_attention

    blocks = visual.transformer.resblocks
    last = blocks[-1]
    plain = isinstance(last, ResidualAttentionBlock) and isinstance(last.attn, MultiheadAttention)
    if not plain or len(blocks) < 2 or visual.attn_pool is not None:
        return None
    seen = visual.forward_intermediates(
        images,
        indices=[len(blocks) - 2],
        stop_early=True,
        intermediates_only=True,
        output_fmt="NLC",
    )
    tokens = last.ln_1(seen["image_intermediates"][0])
    attention = last.attn
    projected = linear(tokens, attention.in_proj_weight, attention.in_proj_bias)
    query, _, value = (
        part.reshape(*part.shape[:2], attention.num_heads, -1).transpose(1, 2)
        for part in projected.chunk(3, dim=2)
    )
    gained = scaled_dot_product_attention(query, query, value).transpose(1, 2).flatten(2)
    pooled = visual.ln_post(attention.out_proj(gained)) @ visual.proj
    embeddings: torch.Tensor = pooled[0].reshape(*visual.grid_size, -1)
    return embeddings


def _pooled_alone(visual: Any, images: torch.Tensor) -> torch.Tensor | None:
    trunk = visual.trunk
    if hasattr(visual.head, "pool"):  # pools by attention with one place a position
        return None
    seen = trunk.forward_features(images)
    if seen.ndim == 4 and seen.shape[1] == trunk.num_features:  # channels first
        grid = tuple(seen.shape[2:])
        alone = seen[0].flatten(1).T[:, :, None, None]
    else:
        grid = getattr(getattr(trunk, "patch_embed", None), "grid_size", None) or (0, 0)
        prefix = getattr(trunk, "num_prefix_tokens", 0)
        by_attention = getattr(trunk, "attn_pool", None) is not None
        by_mean = getattr(trunk, "global_pool", "") == "avg" and not prefix
        fits = seen.ndim == 3 and seen.shape[1] == prefix + grid[0] * grid[1]
        if not fits or not (by_attention or by_mean):
            return None
        alone = seen[0, prefix:, None, :]
    embeddings: torch.Tensor = visual.head(trunk.forward_head(alone)).reshape(*grid, -1)
    return embeddings
