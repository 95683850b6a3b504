"""An index whose items have the similarities that a test gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mmsearch.catalog.records import FileState, NewItem, StoredEncoder
from mmsearch.index import IndexDirectory, Snapshot
from mmsearch.items import Hit, MediaInfo, Modality
from mmsearch.search.query import Query, read_query
from mmsearch.search.retrieve import retrieve
from mmsearch.search.sought import Sought

DIM = 8
QUERY = np.eye(DIM, dtype=np.float32)[0]


@dataclass
class Collection:
    """A snapshot to search, and its assets' paths."""

    folder: Path
    snapshot: Snapshot = field(init=False)

    def search(
        self, text: str = "?", k: int = 10, *, grouped: bool = True, **filters: object
    ) -> list[Hit]:
        query = Query(text=text, **filters)  # type: ignore[arg-type]
        sought = Sought.text(QUERY)
        return retrieve(self.snapshot, read_query(query), sought, k, grouped=grouped)

    def names(self, text: str = "?", k: int = 10, **filters: object) -> list[str]:
        return [hit.path.name for hit in self.search(text, k, **filters)]


Given = tuple[str, Sequence[tuple[Modality, float, str | None]]]
"""An asset's path and its items: modality, similarity to the query, text."""


@pytest.fixture
def collect(tmp_path: Path) -> Iterator[Callable[[Sequence[Given]], Collection]]:
    """Makes an index of assets with given similarities."""
    with ExitStack() as opened:

        def make(assets: Sequence[Given], encoder: str = "testing") -> Collection:
            stored = StoredEncoder(f"{encoder}@1", encoder, encoder, "1", {}, DIM)
            index = IndexDirectory.create(tmp_path / "index", stored)
            opened.callback(index.close)
            random = np.random.default_rng(0)
            with index.writing() as catalog, catalog.transaction() as change:
                source = change.add_source(tmp_path / "collection")
                for path, items in assets:
                    rows = [
                        NewItem(kind, _vector(similarity, random), text)
                        for kind, similarity, text in items
                    ]
                    change.put_asset(source.id, FileState(path, 0, 0), MediaInfo(), rows)
            collection = Collection(tmp_path / "collection")
            collection.snapshot = opened.enter_context(index.snapshot())
            return collection

        yield make


def _vector(similarity: float, random: np.random.Generator) -> NDArray[np.float32]:
    """A unit vector with this inner product with QUERY."""
    rest = random.standard_normal(DIM)
    rest[0] = 0
    rest *= np.sqrt(1 - similarity**2) / np.linalg.norm(rest)
    rest[0] = similarity
    return rest.astype(np.float32)
