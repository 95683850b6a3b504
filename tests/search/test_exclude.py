"""What captions say of the unwanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from mmsearch.items import Modality
from mmsearch.search import lookup
from mmsearch.search.exclude import Exclusion
from mmsearch.search.normalise import Medium
from mmsearch.search.sought import Direction
from mmsearch.search.words import literal_words
from tests.search.conftest import QUERY, Collection, Given


def test_a_word_counts_however_many_texts_hold_it(
    collect: Callable[[Sequence[Given]], Collection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "EVERYWHERE", 3)
    texts = ("a brown cow", "a brown dog", "a dog")
    talk: Given = ("talk.mp3", [(Modality.TRANSCRIPT, 0.1, "a dog barks")] * 9)
    columns = collect(
        [*((f"{text}.jpg", [(Modality.CAPTION, 0.1, text)]) for text in texts), talk]
    ).snapshot.columns

    def named(unwanted: str) -> list[float]:
        direction = Direction(QUERY, Medium.TEXT, words=literal_words(unwanted))
        found = Exclusion.of(direction, columns, texts=len(columns.items)).named
        assert found is not None
        return found[: len(texts)].tolist()

    cow, both, dog = named("brown dog")
    assert cow < 0.9
    assert both == pytest.approx(0.95)
    assert dog < 0.5
    assert named("dog") == pytest.approx([0, 0.95, 0.95])
