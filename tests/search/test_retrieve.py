"""Words and vectors in one ranking, over collections with given similarities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from mmsearch.items import Modality
from mmsearch.search.retrieve import OTHERS

from .conftest import QUERY, Collection, Given

IMAGE, CAPTION, SPEECH = Modality.IMAGE, Modality.CAPTION, Modality.TRANSCRIPT
Collect = Callable[[Sequence[Given]], Collection]


def photos(count: int, mean: float = 0.2, deviation: float = 0.03) -> list[Given]:
    similarities = np.random.default_rng(1).normal(mean, deviation, count)
    return [(f"photos/p{n}.jpg", [(IMAGE, s, None)]) for n, s in enumerate(similarities.tolist())]


def notes(count: int, mean: float = 0.5, deviation: float = 0.06) -> list[Given]:
    similarities = np.random.default_rng(2).normal(mean, deviation, count)
    return [
        (f"notes/n{n}.txt", [(CAPTION, s, f"note number {n} about things")])
        for n, s in enumerate(similarities.tolist())
    ]


def test_one_medium_without_words_is_ranked_by_inner_products(collect: Collect) -> None:
    collection = collect(photos(200))
    hits = collection.search("zebra", k=200)
    vectors = collection.snapshot.vectors
    scores, ids = vectors.search(QUERY, 200)
    assert [hit.item for hit in hits] == ids.tolist()
    assert [hit.score for hit in hits] == scores.tolist()
    assert [hit.similarity for hit in hits] == scores.tolist()


def test_within_a_medium_the_order_is_that_of_the_inner_products(collect: Collect) -> None:
    collection = collect(photos(100) + notes(100))
    hits = collection.search(k=200)
    for kind in (IMAGE, CAPTION):
        similarities = [hit.similarity for hit in hits if hit.modality is kind]
        assert len(similarities) == 100
        assert similarities == sorted(similarities, reverse=True)


def test_neither_medium_drowns_the_other(collect: Collect) -> None:
    collection = collect(photos(200) + notes(100))
    first = collection.search(k=20)
    assert 5 <= sum(hit.modality is IMAGE for hit in first) <= 15


@pytest.mark.parametrize(
    "standing_out",
    [("answer", [(IMAGE, 0.36, None)]), ("answer", [(SPEECH, 0.86, "what was said")])],
)
def test_what_stands_out_in_its_medium_is_first(collect: Collect, standing_out: Given) -> None:
    assert collect([*photos(100), *notes(100), standing_out]).names(k=1) == ["answer"]


def test_a_name_is_found_however_little_the_vectors_think_of_it(collect: Collect) -> None:
    collection = collect(
        [
            *photos(100),
            *notes(100),
            ("talks/John Dashwood.mp3", [(SPEECH, 0.3, "well then")]),
            ("talks/other.mp3", [(SPEECH, 0.3, "the invoice of Halvorsen is open")]),
        ]
    )
    assert collection.names("john dashwood", k=1) == ["John Dashwood.mp3"]
    assert collection.names("Halvorsen", k=1) == ["other.mp3"]
    assert collection.names("p77", k=1) == ["p77.jpg"]


def test_of_many_items_with_all_words_the_most_similar_is_first(collect: Collect) -> None:
    """Though as many others with one of the words are more similar, and were there before."""
    collection = collect(
        [
            *notes(1000),
            *((f"port{n}.txt", [(CAPTION, 0.6, "the harbour")]) for n in range(100)),
            *((f"some{n}.txt", [(CAPTION, 0.4, "the harbour in winter")]) for n in range(100)),
            ("best.txt", [(CAPTION, 0.55, "the harbour in winter")]),
        ]
    )
    assert collection.names("harbour winter", k=1) == ["best.txt"]


def test_a_word_shared_by_chance_does_not_outweigh_meaning(collect: Collect) -> None:
    collection = collect(
        [
            *notes(100),
            ("meant.txt", [(CAPTION, 0.85, "mend the gutter")]),
            ("chance.txt", [(CAPTION, 0.5, "dance on the roof")]),
        ]
    )
    assert collection.names("repair drain under roof", k=1) == ["meant.txt"]


def test_phrases_and_prefixes_are_filters_of_the_vectors_too(collect: Collect) -> None:
    collection = collect(
        [
            *photos(50),
            ("a.txt", [(CAPTION, 0.4, "a red kite over the hill")]),
            ("b.txt", [(CAPTION, 0.6, "a kite, red")]),
            ("red kite.jpg", [(IMAGE, 0.1, None)]),
        ]
    )
    assert set(collection.names('"red kite"')) == {"a.txt", "red kite.jpg"}
    assert set(collection.names('hil* "red kite"')) == {"a.txt"}
    assert collection.names('"kite red" hil*') == []
    assert collection.names('"no such phrase"') == []


def test_filters_act_before_the_best_are_chosen(collect: Collect) -> None:
    collection = collect(photos(100) + notes(100))
    assert len(collection.search(k=10, modality=CAPTION)) == 10
    worst = collection.search(k=100, modality=IMAGE)[-1]
    hits = collection.search(k=10, folder=worst.path)
    assert [hit.item for hit in hits] == [worst.item]
    hits = collection.search("note number", k=5, folder=Path("photos"))
    assert [hit.modality for hit in hits] == [IMAGE] * 5


def test_hits_of_one_asset_are_grouped_best_first(collect: Collect) -> None:
    said = [(SPEECH, 0.5 + n / 100, f"sentence {n}") for n in range(30)]
    collection = collect([("talk.mp3", said), ("photo.jpg", [(IMAGE, 0.3, None)])])
    hits = collection.search(modality=SPEECH)
    assert [hit.text for hit in hits] == ["sentence 29"]
    assert [other.text for other in hits[0].others] == [
        f"sentence {n}" for n in range(28, 28 - OTHERS, -1)
    ]
    assert [other.rank for other in hits[0].others] == list(range(2, 2 + OTHERS))
    assert len(collection.search(grouped=False, k=100)) == 31


def test_k_counts_assets_though_one_fills_the_top(collect: Collect) -> None:
    long = ("talk.mp3", [(SPEECH, 0.9 - n / 10_000, "on and on") for n in range(300)])
    hits = collect([long, *notes(20)]).search(k=5)
    assert len(hits) == 5
    assert hits[0].path.name == "talk.mp3"


def test_equal_scores_are_ordered_by_item(collect: Collect) -> None:
    same: list[Given] = [(f"{n}.jpg", [(IMAGE, 0.25, None)]) for n in range(30)]
    same += [(f"{n}.txt", [(CAPTION, 0.6, "same")]) for n in range(30)]
    collection = collect(same)
    first = collection.search("same", k=60)
    assert [hit.item for hit in first] == [hit.item for hit in collection.search("same", k=60)]
    assert len({hit.item for hit in first}) == 60


def test_a_handful_of_items_is_ranked_sanely(collect: Collect) -> None:
    collection = collect(
        [
            ("beach.jpg", [(IMAGE, 0.28, None)]),
            ("wood.jpg", [(IMAGE, 0.18, None)]),
            ("tax.txt", [(CAPTION, 0.45, "tax return for the house")]),
            ("sea.txt", [(CAPTION, 0.8, "a day at the sea")]),
            ("talk.mp3", [(SPEECH, 0.5, "as John Dashwood said")]),
        ]
    )
    assert set(collection.names("day on the beach", k=2)) == {"beach.jpg", "sea.txt"}
    assert collection.names("dashwood", k=2)[0] in {"talk.mp3", "sea.txt"}
    assert collection.names("dashwood john", k=1) == ["talk.mp3"]
    assert len(collection.search("anything", k=10)) == 5


def test_the_name_of_a_file_that_holds_nothing_finds_nothing(collect: Collect) -> None:
    assert (
        collect([("broken.mp3", []), *photos(3)]).search("broken p1", k=1)[0].path.name == "p1.jpg"
    )


def test_folders_and_files_add_up(collect: Collect) -> None:
    collection = collect(
        [
            *photos(100),
            *notes(100),
            ("Hochzeit von Anna & Björn/1.jpg", [(IMAGE, 0.1, None)]),
            ("Anna.txt", [(CAPTION, 0.5, "hochzeit hochzeit")]),
        ]
    )
    assert collection.names("hochzeit anna bjorn", k=1) == ["1.jpg"]


def test_an_empty_index_has_no_hits(collect: Collect) -> None:
    assert collect([]).search("anything") == []
