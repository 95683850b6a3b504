"""Which photos answer which queries, as far as the captions of Flickr8k tell.

A photo answers the caption of another where its own five captions hold enough of that caption's
words, each counted by its rarity: 0.6 of them, about as much as the other four captions
of a photo hold of the fifth (0.56 in the median). That is rough in both directions, so what
depends on it is also told for the one photo that a caption was written for.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

ENOUGH = 0.6
RARE = 0.01  # of the photos hold a rare word, at most
SAID_BY = 2
"""So many of a photo's five captions must match the pattern of a short query."""

_IGNORED = frozenset(
    re.findall(
        r"\w+",
        "a an the of in on at with and or from through for to my out his her its their is are was "
        "be being by as it he she they there that this while who which up down into over near "
        "other another some one",
    )
)
_IRREGULAR = {"men": "man", "women": "woman", "children": "child"}


class CaptionJudge:
    """Knows what the captions of each photo say."""

    def __init__(self, captions: Sequence[Sequence[str]]) -> None:
        self._captions = captions
        held = [set().union(*map(stems, five)) for five in captions]
        counts = Counter(stem for stems_ in held for stem in stems_)
        self._column = {stem: at for at, stem in enumerate(counts)}
        self._holds = np.zeros((len(captions), len(counts)), dtype=bool)
        for row, stems_ in enumerate(held):
            self._holds[row, [self._column[stem] for stem in stems_]] = True
        self._rarity = np.log(len(captions) / np.array(list(counts.values())))

    def saying(self, caption: str) -> NDArray[np.bool_]:
        """Which photos' captions hold enough of the words of a caption, shape (photos,)."""
        columns = [self._column[s] for s in stems(caption) if s in self._column]
        unknown = sum(s not in self._column for s in stems(caption))
        weights = self._rarity[columns]
        total = weights.sum() + unknown * np.log(len(self._holds))
        held = self._holds[:, columns] @ weights
        return held >= ENOUGH * max(total, 1e-9)

    def touching(self, query: str) -> NDArray[np.bool_]:
        """Which photos may answer a query: they say enough or a rare word of it, (photos,)."""
        rare = np.log(1 / RARE)
        columns = [self._column[s] for s in stems(query) if s in self._column]
        columns = [column for column in columns if self._rarity[column] > rare]
        return self.saying(query) | self._holds[:, columns].any(axis=1)

    def matching(self, pattern: str, *, said_by: int = SAID_BY) -> NDArray[np.bool_]:
        """Which photos have so many captions that match a regular expression, shape (photos,)."""
        return np.array(
            [
                sum(bool(re.search(pattern, caption.lower())) for caption in five) >= said_by
                for five in self._captions
            ]
        )


@cache
def stems(text: str) -> frozenset[str]:
    """The words of a text without endings, without those that say little."""
    return frozenset(
        _stem(word) for word in re.findall(r"[a-z]+", text.lower()) if word not in _IGNORED
    )


def _stem(word: str) -> str:
    word = _IRREGULAR.get(word, word)
    for ending, left in (("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("shes", "sh"), ("s", "")):
        if word.endswith(ending) and len(word) > len(ending) + 2 and not word.endswith("ss"):
            word = word[: -len(ending)] + left
            break
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            word = word[: -len(ending)]
            if len(word) > 2 and word[-1] == word[-2] and word[-1] not in "ls":
                word = word[:-1]
            break
    return word[:-1] if word.endswith("e") and len(word) > 3 else word
