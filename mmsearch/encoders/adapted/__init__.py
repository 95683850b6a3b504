"""An encoder with residual heads: any dual encoder, adapted to somebody's own photos.

A head adds a linear map of what its tower saw to the tower's embedding:

    new = unit(base + input @ weight + bias)

Nearest neighbour normalisation by one's own photos and texts may follow, in four more dimensions.

The input is the base's embedding, or the pooled features that it was computed from where the base
shows them. numpy only: where the base needs no torch, neither does this.
"""

from mmsearch.encoders.adapted.encoder import AdaptedEncoder
from mmsearch.encoders.adapted.files import HEADS, load_heads, save_heads
from mmsearch.encoders.adapted.heads import AffineMap, Banks, HeadInput, Heads, ResidualHead

__all__ = [
    "HEADS",
    "AdaptedEncoder",
    "AffineMap",
    "Banks",
    "HeadInput",
    "Heads",
    "ResidualHead",
    "load_heads",
    "save_heads",
]
