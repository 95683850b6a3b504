"""Where relevance ends: which hits are shown unless all are asked for."""

from __future__ import annotations

from collections.abc import Sequence

from mmsearch.items import Hit

ANSWERED = 0.45
"""Below this probability that anything answers the query, nothing does."""

RELEVANT = 0.05
"""Below this relevance a hit is hidden.

Low, for the right photo is often not the first: a weak encoder spreads its relevance thin.
"""


def is_shown(hit: Hit) -> bool:
    """Whether a hit is likely enough an answer; one without relevance is shown."""
    if hit.relevance is None:
        return True
    return hit.relevance >= RELEVANT and (hit.answered is None or hit.answered >= ANSWERED)


def split(hits: Sequence[Hit]) -> tuple[list[Hit], list[Hit]]:
    """Hits that are shown, and hits that are hidden, each in their order."""
    shown = [hit for hit in hits if is_shown(hit)]
    return shown, [hit for hit in hits if not is_shown(hit)]
