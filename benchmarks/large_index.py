"""Growth of an index from 1,000 to 1,000,000 items: time, memory and recall of queries.

    python benchmarks/large_index.py FLICKR8K [--items 1000000] [--folder FOLDER]

Makes an index of photos, every twentieth with a caption, whose embeddings are made of real ones
(see `large_vectors`), of each size, and measures in a process of its own: opening it and the first
answer, later answers, their peak memory, and how many of the ten nearest are found against exact
search. A query is the embedding of a caption and its words; encoding it is left out. Writes
``docs/benchmarks/large-index.json`` and ``.png``, where --write is given. Takes ten minutes and 6
GB of disk for a million items; with --folder, what was made is kept and used again.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from large_vectors import Real, embed_real, made_of
from measure import markdown
from numpy.typing import NDArray

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
PHOTOS = 4000
QUERIES = 200
COMPARED = 100  # with exact search
CAPTION_EVERY = 20
OUT = Path(__file__).parents[1] / "docs" / "benchmarks"
HEADINGS = {
    "items": "items",
    "kind": "store",
    "first_ms": "first answer, ms",
    "first_uncached_ms": "the same, files not cached, ms",
    "p50_ms": "p50, ms",
    "p95_ms": "p95, ms",
    "search_ms": "vectors alone, p50, ms",
    "exact_ms": "exact search, p50, ms",
    "recall": "recall@10",
    "recall_filtered": "recall@10 of 2%",
    "peak_mb": "peak memory, MB",
    "held_mb": "codes and ids, MB",
    "arranged_s": "arranged in, s",
}


def make(folder: Path, real: Real, count: int) -> float:
    """An index of so many items; returns the seconds that arranging its vectors took."""
    from mmsearch.encoders.background import background_id, encode_background
    from mmsearch.encoders.registry import load
    from mmsearch.index import IndexDirectory
    from mmsearch.ingest.identity import stored_identity

    encoder = load("embedded")
    if encoder.id != real.id:
        raise SystemExit("The encoder has changed: delete the folder.")
    index = IndexDirectory.create(folder, stored_identity(encoder))
    with index.writing() as catalog:
        catalog.put_background(background_id(), encode_background(encoder))
        with catalog.transaction() as change:
            change.add_source(folder / "photos")
    _fill(index.path / "catalog.sqlite", real, count)
    started = time.perf_counter()
    with index.writing():
        pass
    index.close()
    return time.perf_counter() - started


def _fill(catalog: Path, real: Real, count: int) -> None:
    """Items go in by SQL: a transaction an asset would take an hour."""
    first = 0
    with closing(sqlite3.connect(catalog)) as database:
        for vectors in made_of(real.photos, count):
            numbers = range(first, first + len(vectors))
            captions = {
                n: n // CAPTION_EVERY % len(real.texts)
                for n in numbers
                if n % CAPTION_EVERY == CAPTION_EVERY - 1
            }
            database.executemany(
                "INSERT INTO asset (source_id, id, path, size, mtime_ns, width, height) "
                "VALUES (1, ?, ?, 1, 1, 4000, 3000)",
                [
                    (n + 1, f"{2000 + n % 25}/{n // 500 % 300:03}/IMG_{n:07}.jpg")
                    for n in numbers
                    if n not in captions
                ],
            )
            database.executemany(
                "INSERT INTO item VALUES (?, ?, ?, ?, NULL, NULL, 'content')",
                [
                    (n + 1, n, "caption", real.texts[captions[n]])
                    if n in captions
                    else (n + 1, n + 1, "image", None)
                    for n in numbers
                ],
            )
            for n, caption in captions.items():  # of the photo before
                turned = real.captions[caption] + 0.5 * vectors[n - first]
                vectors[n - first] = turned / np.linalg.norm(turned)
            database.executemany(
                "INSERT INTO embedding VALUES (1, ?, ?)",
                [(n + 1, vectors[n - first].tobytes()) for n in numbers],
            )
            first += len(vectors)
        database.execute("UPDATE index_info SET generation = generation + 1")
        database.commit()


def answer(index: Any, text: str, vector: NDArray[np.float32]) -> None:
    """All that a query does but encoding its text."""
    from mmsearch.search.query import Query, read_query
    from mmsearch.search.retrieve import retrieve
    from mmsearch.search.sought import Sought

    with index.snapshot() as snapshot:
        found = retrieve(snapshot, read_query(Query(text=text)), Sought.text(vector), 10, spare=40)
    assert len(found) >= 10


def measure(folder: Path, kept: Path) -> dict[str, Any]:
    """What queries of one index cost; in a fresh process."""
    with np.load(kept) as file:
        captions, texts = file["captions"], file["texts"].tolist()
    started = time.perf_counter()
    from mmsearch.index import IndexDirectory

    index = IndexDirectory(folder)
    answer(index, texts[0], captions[0])
    first = time.perf_counter() - started

    times = []
    for at in range(1, QUERIES + 1):
        started = time.perf_counter()
        answer(index, texts[at], captions[at])
        times.append(1000 * (time.perf_counter() - started))
    status = index.vectors_status()
    found: dict[str, Any] = {
        "items": status.vectors,
        "kind": status.kind,
        "first_ms": 1000 * first,
        "p50_ms": float(np.median(times)),
        "p95_ms": float(np.quantile(times, 0.95)),
        "held_mb": status.memory / 1e6,
        "status": {name: getattr(status, name) for name in status.__slots__},
    }
    with index.snapshot() as snapshot:
        store = snapshot.vectors
        found["search_ms"] = _median_ms(store, captions, None)
        found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        few = store.ids[::50].copy()
        answers = [store.search(query, 10)[1] for query in captions[:COMPARED]]
        filtered = [store.search(query, 10, among=few)[1] for query in captions[:COMPARED]]
        clusters, store.clusters = store.clusters, None
        found["exact_ms"] = _median_ms(store, captions[:20], None)
        exact = [store.search(query, 10)[1] for query in captions[:COMPARED]]
        among = [store.search(query, 10, among=few)[1] for query in captions[:COMPARED]]
        store.clusters = clusters
    found["recall"] = _shared(answers, exact)
    found["recall_filtered"] = _shared(filtered, among)
    index.close()
    return found


def _median_ms(store: Any, queries: NDArray[np.float32], among: NDArray[np.int64] | None) -> float:
    times = []
    for query in queries[:QUERIES]:
        started = time.perf_counter()
        store.search(query, 10, among=among)
        times.append(1000 * (time.perf_counter() - started))
    return float(np.median(times))


def _shared(found: list[NDArray[np.int64]], exact: list[NDArray[np.int64]]) -> float:
    return float(np.mean([np.isin(b, a).mean() for a, b in zip(found, exact, strict=True)]))


def in_process(folder: Path, kept: Path) -> dict[str, Any]:
    """`measure` in a process of its own, after one whose files are not in the system's cache."""
    command = [sys.executable, __file__, str(kept), "--measure", str(folder)]

    def run() -> dict[str, Any]:
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return json.loads(done.stdout)  # type: ignore[no-any-return]

    warm = run()
    for path in folder.rglob("*"):
        if path.is_file() and hasattr(os, "posix_fadvise"):
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    done = subprocess.run([*command, "--first"], check=True, capture_output=True, text=True)
    return {**warm, "first_uncached_ms": json.loads(done.stdout)["first_ms"]}


def first_answer(folder: Path, kept: Path) -> dict[str, Any]:
    with np.load(kept) as file:
        captions, texts = file["captions"], file["texts"].tolist()
    started = time.perf_counter()
    from mmsearch.index import IndexDirectory

    answer(IndexDirectory(folder), texts[0], captions[0])
    return {"first_ms": 1000 * (time.perf_counter() - started)}


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    items = [row["items"] for row in rows]
    figure, axes = pyplot.subplots(figsize=(7, 4.2), layout="constrained")
    axes.loglog(items, [row["exact_ms"] for row in rows], "--", color="0.6", label="exact search")
    axes.loglog(items, [row["search_ms"] for row in rows], "o-", label="vectors alone")
    axes.loglog(items, [row["p50_ms"] for row in rows], "s-", label="whole query, warm")
    axes.loglog(items, [row["first_ms"] for row in rows], "^-", label="opening and first answer")
    axes.set(xlabel="items in the index", ylabel="milliseconds a query, median")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=130)


def shown(rows: list[dict[str, Any]]) -> str:
    def cell(value: Any) -> str:
        if value is None:
            return "kept"
        if isinstance(value, float):
            return (
                f"{value:.3f}" if value <= 1 else f"{value:.1f}" if value < 100 else f"{value:.0f}"
            )
        return f"{value:,}" if isinstance(value, int) else str(value)

    return markdown(list(HEADINGS.values()), [[cell(row[key]) for key in HEADINGS] for row in rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("flickr8k", type=Path)
    parser.add_argument("--items", type=int, default=SIZES[-1])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--first", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        one = (first_answer if given.first else measure)(given.measure, given.flickr8k)
        print(json.dumps(one))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder: Path = given.folder or Path(scratch)
        real = embed_real(given.flickr8k, folder / "real.npz", PHOTOS)
        rows = []
        for size in [size for size in SIZES if size <= given.items]:
            path = folder / f"{size}.mmsearch"
            arranged = None if path.exists() else make(path, real, size)
            rows.append({**in_process(path, folder / "real.npz"), "arranged_s": arranged})
            print(json.dumps(rows[-1]), file=sys.stderr)
    print(shown(rows))
    if given.write:
        OUT.mkdir(exist_ok=True)
        (OUT / "large-index.json").write_text(json.dumps(rows, indent=1) + "\n")
        draw(rows, OUT / "large-index.png")


if __name__ == "__main__":
    main()
