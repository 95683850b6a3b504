"""The embedded encoder: a small dual encoder whose weights ship inside the package.

It needs no network, no download and no torch, so the first command works on any machine.
``docs/models/embedded.md`` is its model card; ``mmsearch.training`` makes its weights.
"""

from mmsearch.encoders.embedded.encoder import EmbeddedEncoder

__all__ = ["EmbeddedEncoder"]
