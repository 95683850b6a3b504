"""Where relevance ends: which hits are shown unless all are asked for."""

from __future__ import annotations

from collections.abc import Sequence

from mmsearch.items import Hit
from mmsearch.search.calibrate.calibration import least_answered
from mmsearch.search.normalise import Medium

RELEVANT = 0.05
"""Below this relevance a hit is hidden.

Low, for the right photo is often not the first: a weak encoder spreads its relevance thin.
"""


def is_shown(hit: Hit) -> bool:
    """Whether a hit is likely enough an answer; one without relevance is shown.

    A file is where one of its items is: a photo may answer that stands here for its caption.
    """
    return any(_is_likely(one) for one in (hit, *hit.others))


def _is_likely(hit: Hit) -> bool:
    if hit.relevance is None:
        return True
    least = least_answered(Medium.of(hit.modality))
    return hit.relevance >= RELEVANT and (hit.answered is None or hit.answered >= least)


SPARE = 40
"""So many hits below the last one that is wanted are looked through for others to show."""


def fill(hits: Sequence[Hit], k: int) -> tuple[list[Hit], list[Hit]]:
    """The best k hits that are shown, and the hidden ones that would be among the best k.

    Where texts answer nothing and photos do, texts take no photo's place.

    Args:
        hits: best first; ``SPARE`` more than k where there are as many.
        k: at most so many.
    """
    shown, hidden = split(hits)
    shown = shown[:k]
    return shown, hidden[: k - len(shown)]


def split(hits: Sequence[Hit]) -> tuple[list[Hit], list[Hit]]:
    """Hits that are shown, and hits that are hidden, each in their order."""
    shown = [hit for hit in hits if is_shown(hit)]
    return shown, [hit for hit in hits if not is_shown(hit)]
