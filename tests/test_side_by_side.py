"""Several searches of one index at the same time, and beside one that takes over a commit."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import mmsearch
from mmsearch.testing import make_photo


def answers(index: mmsearch.Index) -> list[tuple[str, float]]:
    return [(hit.path.name, hit.score) for hit in index.search("a red and blue photo", k=50)]


def test_searches_run_side_by_side(index: mmsearch.Index, photos: Path) -> None:
    index.add(photos)
    both = threading.Barrier(2, timeout=60)

    def search() -> int:
        with index.snapshot() as snapshot:
            both.wait()
            return len(snapshot.vectors.ids)

    with ThreadPoolExecutor(2) as pool:
        assert [one.result() for one in (pool.submit(search), pool.submit(search))] == [4, 4]


def test_a_search_goes_on_while_another_takes_over_what_was_added(
    index: mmsearch.Index, photos: Path
) -> None:
    index.add(photos)
    with index.snapshot() as before:
        held = before.vectors.ids.tolist()
        (photos / "red.png").unlink()
        make_photo(photos / "purple.png", "purple")
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(index.update).result().added == 1
            found = pool.submit(answers, index).result()
        assert {name for name, _ in found} == {
            "blue.png",
            "green.png",
            "yellow.png",
            "purple.png",
        }
        vector = before.vectors.vectors(before.vectors.ids[:1])[0].astype(np.float32)
        _, ids = before.vectors.search(vector, 10)
        assert sorted(ids.tolist()) == held == before.reader.embedded_ids().tolist()
        assert before.columns.items.tolist() == held
    assert answers(index) == found


def test_a_thread_that_holds_a_snapshot_may_search(index: mmsearch.Index, photos: Path) -> None:
    index.add(photos)
    with index.snapshot(), index.snapshot(), index.snapshot():
        assert len(answers(index)) == 4
