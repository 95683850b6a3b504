"""What other frameworks are told of a hit."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmsearch.items import Hit

MetadataValue = str | int | float | None


def content_of(hit: Hit) -> str:
    """A hit in words, for a language model: its text, else what is known of its picture."""
    if hit.text:
        return hit.text
    kind = {"image": "Photo", "frame": "Picture in the video"}.get(hit.modality, "File")
    taken = hit.info.captured_at
    return f"{kind} {hit.path.name}" + (f", taken on {taken:%Y-%m-%d}" if taken else "")


def metadata_of(hit: Hit) -> dict[str, MetadataValue]:
    """What is known of a hit, as plain values.

    ``path`` and ``source`` (the name that most tools look for) are the file, ``start`` and
    ``end`` seconds, ``relevance`` a probability in 0..1, ``score`` comparable only within one
    query, ``captured_at`` ISO 8601.
    """
    taken = hit.info.captured_at
    return {
        "source": str(hit.path),
        "path": str(hit.path),
        "modality": hit.modality.value,
        "start": hit.start,
        "end": hit.end,
        "relevance": hit.relevance,
        "score": hit.score,
        "rank": hit.rank,
        "item": hit.item,
        "asset": hit.asset,
        "captured_at": None if taken is None else taken.isoformat(),
    }
