"""How well words and vectors together find what is asked for, and what each finds alone.

    python benchmarks/hybrid.py FLICKR8K SPEECH [--set test]

Measures the written queries of ``hybrid_queries.tsv`` over a mixed collection: the photos of a
split of Flickr8k under made-up folders and names, every other one with its captions, the texts of
``hybrid_notes.tsv``, and, in the test set, the transcripts of the speech data. An answer is a
photo's name or a pattern of paths. Choose on the dev set; the test set is for reporting.
"""

from __future__ import annotations

import argparse
import csv
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from measure import markdown
from numpy.typing import NDArray

from mmsearch.catalog.place import CATALOG_NAME
from mmsearch.catalog.records import FileState, NewItem, StoredEncoder
from mmsearch.encoders.base import DualEncoder
from mmsearch.encoders.registry import load
from mmsearch.evaluation.evaluate import decode_photo
from mmsearch.index import IndexDirectory, Snapshot
from mmsearch.items import MediaInfo, Modality
from mmsearch.search.query import Query, read_query
from mmsearch.search.rank import Ranker
from mmsearch.search.retrieve import retrieve
from mmsearch.search.sought import Sought
from mmsearch.search.words import parse_words

HERE = Path(__file__).parent
KINDS = ("name", "phrase", "paraphrase", "visual")
FOLDERS = (
    "Italy 2019", "Cefalù", "Grandma's 80th birthday", "Lofoten midsummer",
    "Wedding of Anna & Björn", "Scans/box 3", "2020/lockdown", "Garden project", "Summer camp",
    "Zürich weekend", "Phone backup", "From Elena", "Kindergarten", "Road trip Utah", "Sports day",
    "Old disk", "Christmas market", "Lake house", "Unsorted", "Canon EOS",
)  # fmt: skip
DEPTH = 1000  # a first answer further down counts as not found

Texts = list[tuple[Modality, str]]


@dataclass(frozen=True)
class Asset:
    """A file of the collection: its path in it, what else it is called, what it holds."""

    path: str
    name: str
    photo: Path | None
    texts: Texts


@dataclass(frozen=True)
class Asked:
    """A written query with the ids of the assets that answer it."""

    kind: str
    text: str
    vector: NDArray[np.float32]
    answers: frozenset[int]


def photos(flickr: Path, split: str) -> dict[str, list[str]]:
    """The captions of a split's photos, by name."""
    captions = defaultdict(list)
    for row in table(flickr / "captions.tsv"):
        captions[row["image"]].append(row["caption"])
    return {
        name: captions[name][:5] for name in sorted((flickr / f"{split}.txt").read_text().split())
    }


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def transcripts(speech: Path) -> Iterator[Asset]:
    """What the recordings say, as their own transcripts have it."""
    said = {"jfk.flac": (
        "And so my fellow Americans, ask not what your country can do for you, "
        "ask what you can do for your country."
    )}  # fmt: skip
    for line in (speech / "ljspeech" / "metadata.csv").read_text().splitlines():
        name, text, _ = line.split("|")
        said[f"ljspeech/{name}.flac"] = text
    for line in (speech / "librivox" / "transcription").read_text().splitlines():
        text, _, name = line.rstrip(")").rpartition(" (")
        said[f"librivox/{name}.wav"] = text
    for path, text in said.items():
        yield Asset(f"recordings/{path}", path, None, [(Modality.TRANSCRIPT, text)])


def collection(flickr: Path, speech: Path, split: str) -> list[Asset]:
    """The mixed collection of a set of queries."""
    assets = []
    for at, (name, captions) in enumerate(photos(flickr, split).items()):
        path = f"photos/{FOLDERS[at // 50]}/IMG_{1000 + at}.jpg"
        texts = [(Modality.CAPTION, text) for text in captions] if at % 2 else []
        assets.append(Asset(path, name, flickr / "images" / name, texts))
    for row in table(HERE / "hybrid_notes.tsv"):
        if row["set"] == split:
            text = (Modality(row["modality"]), row["text"])
            assets.append(Asset(row["path"], row["path"], None, [text]))
    return assets + (list(transcripts(speech)) if split == "test" else [])


def build(
    path: Path, encoder: DualEncoder, assets: list[Asset]
) -> tuple[IndexDirectory, list[int]]:
    """Indexes a collection; gives the ids of its assets in their order."""
    one = encoder.identity
    index = IndexDirectory.create(
        path,
        StoredEncoder(
            one.id, one.spec, one.name, one.revision, one.transform.describe(), encoder.dim
        ),
    )
    texts = encoder.encode_texts([text for asset in assets for _, text in asset.texts])
    vectors = iter(texts)
    ids = []
    with index.writing() as catalog, catalog.transaction() as change:
        source = change.add_source(path.parent / "collection")
        for asset in assets:
            items = []
            if asset.photo is not None:
                pixels = encoder.transform(decode_photo(asset.photo, encoder.transform))
                items.append(NewItem(Modality.IMAGE, encoder.encode_images(pixels[np.newaxis])[0]))
            items += [NewItem(kind, next(vectors), text) for kind, text in asset.texts]
            ids.append(change.put_asset(source.id, FileState(asset.path, 0, 0), MediaInfo(), items))
    return index, ids


def written_queries(
    split: str, encoder: DualEncoder, assets: list[Asset], ids: list[int]
) -> list[Asked]:
    asked = []
    for row in table(HERE / "hybrid_queries.tsv"):
        if row["set"] != split:
            continue
        answers = frozenset(
            asset_id
            for asset, asset_id in zip(assets, ids, strict=True)
            if asset.name == row["answer"] or fnmatchcase(asset.path, row["answer"])
        )
        assert answers, row
        vector = encoder.encode_texts([parse_words(row["query"]).plain])[0]
        asked.append(Asked(row["kind"], row["query"], vector, answers))
    return asked


class Rankings:
    """Rankings of the assets of one index by single parts of a search, to compare with it."""

    def __init__(self, snapshot: Snapshot, catalog: sqlite3.Connection) -> None:
        self._snapshot = snapshot
        self._catalog = catalog
        rows = catalog.execute("SELECT id, asset_id FROM item ORDER BY id").fetchall()
        self._items, self._assets = np.array(rows).T

    def words(self, asked: Asked) -> list[int]:
        """BM25 over texts and names, added up."""
        return self._order(self._bm25(asked), needs_words=True)

    def vectors(self, asked: Asked) -> list[int]:
        """Raw inner products."""
        return self._order(self._inner_products(asked))

    def normalised(self, asked: Asked) -> list[int]:
        """Inner products by how far they stand out in their medium."""
        return self._order(self._standing_out(asked))

    def reciprocal_raw(self, asked: Asked) -> list[int]:
        """RRF of raw inner products, one list for each medium, and BM25."""
        products = self._inner_products(asked)
        lists = [
            np.where(np.isin(self._items, ids), products, -np.inf)
            for ids in self._ranker(asked).everything.values()
        ]
        return self._order(_reciprocal([*lists, _found(self._bm25(asked))]))

    def reciprocal(self, asked: Asked) -> list[int]:
        """RRF of normalised inner products and BM25."""
        return self._order(_reciprocal([self._standing_out(asked), _found(self._bm25(asked))]))

    def reciprocal_steep(self, asked: Asked) -> list[int]:
        """The same with the constant that is best on the dev set instead of 60."""
        lists = [self._standing_out(asked), _found(self._bm25(asked))]
        return self._order(_reciprocal(lists, k=1))

    def weighted(self, asked: Asked) -> list[int]:
        """Normalised inner products and BM25, with the weight that is best on the dev set."""
        return self._order(self._standing_out(asked) + 0.2 * self._bm25(asked))

    def mmsearch(self, asked: Asked) -> list[int]:
        """What a search gives."""
        question, sought = read_query(Query(text=asked.text)), Sought.text(asked.vector)
        return [hit.asset for hit in retrieve(self._snapshot, question, sought, DEPTH)]

    def _ranker(self, asked: Asked) -> Ranker:
        question = read_query(Query(text=asked.text))
        return Ranker.of(self._snapshot, question, Sought.text(asked.vector))

    def _inner_products(self, asked: Asked) -> NDArray[np.float64]:
        scores, ids = self._snapshot.vectors.search(asked.vector, len(self._items))
        return scores[np.argsort(ids)].astype(np.float64)

    def _standing_out(self, asked: Asked) -> NDArray[np.float64]:
        products = self._inner_products(asked)
        scores = np.empty(len(products))
        ranker = self._ranker(asked)
        for medium, ids in ranker.everything.items():
            at = np.isin(self._items, ids)
            best = -np.sort(-products[at]).astype(np.float32)
            scores[at] = ranker.scale(medium, best)(products[at])
        return scores

    def _bm25(self, asked: Asked) -> NDArray[np.float64]:
        words = parse_words(asked.text)
        scores = np.zeros(len(self._items))
        if words.all:
            expression = " OR ".join(words.all)
            for table, column in (("item_words", self._items), ("asset_words", self._assets)):
                sql = f"SELECT rowid, -bm25({table}) FROM {table} WHERE {table} MATCH ?"
                found = dict(self._catalog.execute(sql, (expression,)))
                scores += [found.get(row, 0.0) for row in column.tolist()]
        return scores

    def _order(self, scores: NDArray[np.float64], *, needs_words: bool = False) -> list[int]:
        order = np.argsort(-scores, kind="stable")
        if needs_words:
            order = order[scores[order] > 0]
        return list(dict.fromkeys(self._assets[order].tolist()))


def _found(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(scores > 0, scores, -np.inf)


def _reciprocal(lists: list[NDArray[np.float64]], k: int = 60) -> NDArray[np.float64]:
    """Reciprocal rank fusion (Cormack, Clarke and Buettcher 2009)."""
    fused = np.zeros(len(lists[0]))
    for scores in lists:
        ranks = np.empty(len(scores))
        ranks[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
        fused += np.where(np.isfinite(scores), 1 / (k + ranks), 0)
    return fused


def first_ranks(queries: list[Asked], ranking: Callable[[Asked], list[int]]) -> NDArray[np.float64]:
    """Rank of the first answer to each query; infinite where none is found."""
    ranks = []
    for asked in queries:
        places = (at for at, asset in enumerate(ranking(asked), 1) if asset in asked.answers)
        ranks.append(next(places, np.inf))
    return np.array(ranks)


def interval(values: NDArray[np.float64]) -> str:
    """A mean with its 95% bootstrap interval."""
    draws = np.random.default_rng(0).integers(len(values), size=(10_000, len(values)))
    low, high = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
    return f"{values.mean():.3f} ({low:.3f} to {high:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("flickr", type=Path)
    parser.add_argument("speech", type=Path)
    parser.add_argument("--set", choices=("dev", "test"), default="test", dest="split")
    options = parser.parse_args()
    encoder = load("embedded", device="cpu")
    assets = collection(options.flickr, options.speech, options.split)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        index, ids = build(path, encoder, assets)
        queries = written_queries(options.split, encoder, assets, ids)
        kinds = np.array([asked.kind for asked in queries])
        connection = sqlite3.connect(path / CATALOG_NAME)
        with index.snapshot() as snapshot:
            rankings = Rankings(snapshot, connection)
            methods = {
                "words alone (BM25)": rankings.words,
                "vectors alone, raw": rankings.vectors,
                "vectors alone, normalised": rankings.normalised,
                "RRF, raw vectors": rankings.reciprocal_raw,
                "RRF, normalised vectors": rankings.reciprocal,
                "RRF, normalised vectors, k = 1": rankings.reciprocal_steep,
                "normalised vectors + 0.2 BM25": rankings.weighted,
                "mmsearch": rankings.mmsearch,
            }
            rows, reciprocals = [], {}
            for name, ranking in methods.items():
                ranks = first_ranks(queries, ranking)
                reciprocals[name] = 1 / ranks
                rows.append(
                    [name, interval(1 / ranks)]
                    + [f"{100 * (ranks <= depth).mean():.0f}" for depth in (1, 5, 10)]
                    + [f"{(1 / ranks)[kinds == kind].mean():.3f}" for kind in KINDS]
                )
        connection.close()
        index.close()
    print(f"{len(queries)} queries, {len(assets)} assets\n")
    counted = [f"{kind} ({(kinds == kind).sum()})" for kind in KINDS]
    print(markdown(["ranking", "MRR", "R@1", "R@5", "R@10", *counted], rows))
    print()
    for name in list(methods)[:-1]:
        print(f"mmsearch over {name}: {interval(reciprocals['mmsearch'] - reciprocals[name])}")


if __name__ == "__main__":
    main()
