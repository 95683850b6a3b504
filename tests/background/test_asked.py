"""What a server answers is, after its way through JSON, exactly what it was."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mmsearch.background.asked import Answer, Asked
from mmsearch.items import Hit, MediaInfo, Modality

numbers = st.floats(allow_nan=False, allow_infinity=False)
maybe = st.none() | numbers
# Names of files may hold bytes that are no UTF-8, which Python keeps as lone surrogates.
names = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=12)
texts = st.none() | st.text(max_size=20)

infos = st.builds(
    MediaInfo,
    width=st.none() | st.integers(1, 10**5),
    captured_at=st.none() | st.datetimes(datetime(1900, 1, 1)),
    latitude=maybe,
    camera=texts,
    duration=maybe,
)
hits = st.builds(
    Hit,
    rank=st.integers(1, 100),
    score=numbers,
    relevance=maybe,
    path=names.map(lambda name: Path("/photos", name)),
    modality=st.sampled_from(Modality),
    item=st.integers(1, 2**40),
    asset=st.integers(1, 2**40),
    text=texts,
    start=maybe,
    end=maybe,
    info=infos,
    similarity=maybe,
    reranked=maybe,
    answered=maybe,
)


@given(
    shown=st.lists(hits, max_size=3), others=st.lists(hits, max_size=2), hidden=st.integers(0, 99)
)
def test_an_answer_comes_through_whole(shown: list[Hit], others: list[Hit], hidden: int) -> None:
    shown = [replace(hit, others=tuple(others), copies=tuple(others)) for hit in shown]
    answer = Answer(shown, hidden, "tiny@1", 0.25)

    assert Answer.from_json(json.loads(json.dumps(answer.as_json()))) == answer


@given(
    asked=st.builds(
        Asked,
        text=texts,
        k=st.integers(1, 999),
        everything=st.booleans(),
        budget=maybe,
        more_like=st.lists(names).map(tuple),
    )
)
def test_a_question_comes_through_whole(asked: Asked) -> None:
    assert Asked.from_json(json.loads(json.dumps(asked.as_json()))) == asked
