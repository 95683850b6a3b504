"""An encoder's identity: as encoders know it, and as the catalog keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmsearch.catalog.records import StoredEncoder

if TYPE_CHECKING:
    from mmsearch.encoders.base import DualEncoder, EncoderIdentity


def stored_identity(encoder: DualEncoder) -> StoredEncoder:
    """What the catalog keeps of an encoder."""
    identity = encoder.identity
    return StoredEncoder(
        id=identity.id,
        spec=identity.spec,
        name=identity.name,
        revision=identity.revision,
        transform=identity.transform.describe(),
        dim=encoder.dim,
    )


def known_identity(stored: StoredEncoder) -> EncoderIdentity:
    """What an encoder knows of itself, from what the catalog kept."""
    from mmsearch.encoders.base import EncoderIdentity, ImageTransform

    transform: dict[str, Any] = dict(stored.transform)
    return EncoderIdentity(stored.spec, stored.name, stored.revision, ImageTransform(**transform))
