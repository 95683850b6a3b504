"""How well ways to say "not" keep the unwanted out, and how several wanted things go together.

    python benchmarks/negation.py FLICKR8K [--model MODEL] [--set test] [--vectors FOLDER]

Asks the queries of ``negation_queries.tsv``, "a dog, not grass", of the photos of a split of
Flickr8k. A concept is there when any of a photo's five captions has one of the words that
``negation_concepts.tsv`` lists for it. Prints the shares of the first ten photos that have the
wanted concept, the unwanted one, and the first without the second. Then asks for pairs of
concepts, and prints the share of the first ten that have both. Choose on the dev set.
"""

from __future__ import annotations

import argparse
import itertools
import random
import re
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from hybrid import HERE, photos, table
from measure import markdown
from numpy.typing import NDArray

from mmsearch.catalog.records import FileState, NewItem
from mmsearch.encoders.base import DualEncoder
from mmsearch.encoders.registry import load
from mmsearch.evaluation.evaluate import decode_photo
from mmsearch.index import IndexDirectory
from mmsearch.ingest.identity import stored_identity
from mmsearch.items import MediaInfo, Modality
from mmsearch.search.query import Query, read_query
from mmsearch.search.retrieve import retrieve
from mmsearch.search.sought import embed_question

TOP = 10
PAIRS = 400

Scores = NDArray[np.floating]
Way = Callable[[str, str], Scores]


class Collection:
    """The photos of a split: vectors, and which concepts they have."""

    def __init__(self, flickr: Path, split: str, encoder: DualEncoder, kept: Path | None) -> None:
        captions = photos(flickr, split)
        self.names = list(captions)
        self.captions = list(captions.values())
        words = {row["concept"]: set(row["words"].split()) for row in table(CONCEPTS)}
        said = [set(re.findall(r"[a-z]+", " ".join(texts).lower())) for texts in self.captions]
        self.has = {one: np.array([bool(any_ & s) for s in said]) for one, any_ in words.items()}
        self.words = words
        self.encoder = encoder
        file = None if kept is None else kept / f"{split}_{encoder.id.replace('/', '_')}.npy"
        if file is not None and file.is_file():
            self.vectors = np.load(file)
        else:
            self.vectors = _embed([flickr / "images" / name for name in self.names], encoder)
            if file is not None:
                np.save(file, self.vectors)
        self._texts: dict[str, NDArray[np.float32]] = {}

    def text(self, text: str) -> NDArray[np.float32]:
        """The embedding of a text."""
        if text not in self._texts:
            self._texts[text] = self.encoder.encode_texts([text])[0]
        return self._texts[text]

    def apart(self, vector: NDArray[np.float32]) -> Scores:
        """Similarities of the photos to a vector, in deviations from their mean."""
        similarities = self.vectors @ vector
        return (similarities - similarities.mean()) / similarities.std()

    def log_p(self, text: str, *, even: float, slope: float) -> tuple[Scores, Scores]:
        """Logarithms of the probabilities that photos have something, and that they do not."""
        odds = slope * (self.apart(self.text(text)) - even)
        return -np.logaddexp(0, -odds), -np.logaddexp(0, odds)


CONCEPTS = HERE / "negation_concepts.tsv"
QUERIES = HERE / "negation_queries.tsv"


def _embed(paths: Sequence[Path], encoder: DualEncoder) -> NDArray[np.float32]:
    batches = []
    for start in range(0, len(paths), encoder.batch_size):
        batch = paths[start : start + encoder.batch_size]
        pixels = [encoder.transform(decode_photo(path, encoder.transform)) for path in batch]
        batches.append(encoder.encode_images(np.stack(pixels)))
    return np.concatenate(batches)


def ways(photos: Collection) -> dict[str, Way]:
    """Ways to say "not" of photos without captions, but mmsearch's own."""
    text, vectors = photos.text, photos.vectors

    def subtracted(strength: float) -> Way:
        return lambda a, b: vectors @ (text(a) - strength * text(b))

    def product(even: float, slope: float) -> Way:
        return lambda a, b: (
            photos.log_p(a, even=3.5, slope=slope)[0] + photos.log_p(b, even=even, slope=slope)[1]
        )

    return {
        "ignored": lambda a, b: vectors @ text(a),
        'left as text: "A without B"': lambda a, b: vectors @ text(f"{a} without {b}"),
        'left as text: "A, not B"': lambda a, b: vectors @ text(f"{a}, not {b}"),
        **{f"vectors, A - {s} B": subtracted(s) for s in (0.25, 0.5, 0.75, 1, 1.5)},
        **{
            f"product p(A) (1 - p(B)), even at {even}": product(even, 2)
            for even in (0.5, 1, 1.5, 2, 3.5)
        },
    }


def indexed(folder: Path, photos: Collection, captions: int) -> IndexDirectory:
    """An index of the photos with so many of their captions."""
    index = IndexDirectory.create(folder, stored_identity(photos.encoder))
    texts = [text for one in photos.captions for text in one[:captions]]
    embedded = iter(photos.encoder.encode_texts(texts) if texts else ())
    with index.writing() as catalog, catalog.transaction() as change:
        source = change.add_source(folder.parent / "photos")
        for name, vector, one in zip(photos.names, photos.vectors, photos.captions, strict=True):
            items = [NewItem(Modality.IMAGE, vector)]
            items += [NewItem(Modality.CAPTION, next(embedded), text) for text in one[:captions]]
            change.put_asset(source.id, FileState(name, 0, 0), MediaInfo(), items)
    return index


def found(index: IndexDirectory, photos: Collection, text: str) -> list[int]:
    """The photos that mmsearch finds, by their numbers."""
    question = read_query(Query(text=text))
    sought = embed_question(question, photos.encoder, max_megapixels=200)
    with index.snapshot() as snapshot:
        hits = retrieve(snapshot, question, sought, TOP)
    return [photos.names.index(hit.path.name) for hit in hits]


def negation(photos: Collection, folder: Path) -> list[list[object]]:
    queries = [(row["wanted"], row["unwanted"]) for row in table(QUERIES)]
    rows: list[list[object]] = []

    def row(name: str, top: Callable[[str, str], Sequence[int]]) -> None:
        tops = [np.array(top(a, b), dtype=int) for a, b in queries]
        wanted = [photos.has[a][t] for (a, _), t in zip(queries, tops, strict=True)]
        unwanted = [photos.has[b][t] for (_, b), t in zip(queries, tops, strict=True)]
        both = [w & ~u for w, u in zip(wanted, unwanted, strict=True)]
        shares = [100 * np.mean([one.mean() for one in kind]) for kind in (wanted, unwanted, both)]
        rows.append([name, *(f"{share:.1f}" for share in shares)])

    for name, way in ways(photos).items():
        row(name, lambda a, b, way=way: np.argsort(-way(a, b), kind="stable")[:TOP])
    for captions, which in ((0, ""), (1, ", one caption a photo indexed")):
        with closing(indexed(folder / f"index{captions}", photos, captions)) as index:
            if captions:
                row(f"ignored{which}", lambda a, b: found(index, photos, a))
            row(f"mmsearch: A -(B){which}", lambda a, b: found(index, photos, f"{a} -({b})"))
    return rows


def together(photos: Collection, folder: Path) -> list[list[object]]:
    """How several wanted terms combine."""
    pairs = [
        (a, b)
        for a, b in itertools.combinations(sorted(photos.words), 2)
        if not photos.words[a] & photos.words[b]
        and 8 <= (photos.has[a] & photos.has[b]).sum() <= 120
    ]
    pairs = random.Random(0).sample(pairs, min(PAIRS, len(pairs)))
    text, vectors, apart = photos.text, photos.vectors, photos.apart

    def product(a: str, b: str) -> Scores:
        return photos.log_p(a, even=2, slope=1)[0] + photos.log_p(b, even=2, slope=1)[0]

    combined: dict[str, Way] = {
        "A alone": lambda a, b: vectors @ text(a),
        "sum of vectors": lambda a, b: vectors @ (text(a) + text(b)),
        "product of probabilities": product,
        "the lesser deviation": lambda a, b: np.minimum(apart(text(a)), apart(text(b))),
        'one text, "A, B"': lambda a, b: vectors @ text(f"{a}, {b}"),
        'one text, "A and B"': lambda a, b: vectors @ text(f"{a} and {b}"),
    }
    rows: list[list[object]] = []

    def row(name: str, top: Callable[[str, str], Sequence[int]]) -> None:
        shares = [(photos.has[a] & photos.has[b])[list(top(a, b))].mean() for a, b in pairs]
        rows.append([name, f"{100 * np.mean(shares):.1f}"])

    for name, way in combined.items():
        row(name, lambda a, b, way=way: np.argsort(-way(a, b), kind="stable")[:TOP])
    with closing(indexed(folder / "together", photos, 0)) as index:
        row("mmsearch: A + B", lambda a, b: found(index, photos, f"{a} + {b}"))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("flickr", type=Path)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--set", default="dev")
    parser.add_argument("--vectors", type=Path, help="keep the photos' embeddings in this folder")
    given = parser.parse_args()
    photos = Collection(given.flickr, given.set, load(given.model), given.vectors)
    with tempfile.TemporaryDirectory() as folder:
        print(
            markdown(
                ["way", "wanted, %", "unwanted, %", "wanted without unwanted, %"],
                negation(photos, Path(folder)),
            )
        )
        print()
        print(markdown(["two wanted things", "both, %"], together(photos, Path(folder))))


if __name__ == "__main__":
    main()
