"""What filtered queries cost over a large index.

    python benchmarks/filters.py [--items 200000]

Makes an index of photos with random vectors, places, dates, cameras and folders, every third with a
caption of random words, and times queries with filters: all but encoding the query's text. The
first of each kind reads the columns that it filters by; the others find them in memory. On a busy
machine look at the processor's time.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from measure import markdown

from mmsearch.catalog.file import CATALOG_NAME
from mmsearch.catalog.records import StoredEncoder
from mmsearch.index import IndexDirectory
from mmsearch.items import Modality
from mmsearch.search.query import Query, read_query
from mmsearch.search.retrieve import retrieve
from mmsearch.search.sought import Sought

DIM = 512
RUNS = 40
CHUNK = 5000
CAMERAS = ("Canon EOS 40D", "NIKON D750", "Apple iPhone 12", "Panasonic DMC-TZ7", None)
SIZES = ((4000, 3000), (3000, 4000), (1920, 1080), (640, 480))
WORDS = [f"{a}{b}" for a in ("sun", "moon", "river", "stone", "bird", "fish") for b in range(300)]
FILTERS = (
    "",
    "type:image",
    "after:2023",
    "on:2021-05",
    "after:2012 before:2013 camera:nikon",
    "in:folder-06",
    "in:folder-06/03",
    "near:48.2,16.4,200",
    "width:>1000 ratio:portrait",
    "has:caption",
    "-ext:png",
    "ext:png -camera:canon",
    "type:caption after:2020",
    "-sunset",
)


def make(folder: Path, count: int) -> IndexDirectory:
    """Rows go in by SQL: a transaction an asset, with all that it keeps in step, takes minutes."""
    encoder = StoredEncoder("made@1", "made", "made", "1", {}, DIM)
    index = IndexDirectory.create(folder / "index", encoder)
    with index.writing() as catalog, catalog.transaction() as change:
        source = change.add_source(folder / "photos")
    random = np.random.default_rng(0)
    with closing(sqlite3.connect(index.path / CATALOG_NAME)) as database:
        database.execute("PRAGMA foreign_keys = ON")
        for first in range(0, count, CHUNK):
            rows = [_item(number, random) for number in range(first, min(first + CHUNK, count))]
            vectors = random.standard_normal((len(rows), DIM)).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            assets = [(source.id, *row.asset) for row in rows if row.asset]
            database.executemany(
                """
                INSERT INTO asset (source_id, id, path, size, mtime_ns, width, height, captured_at,
                    latitude, longitude, camera) VALUES (?, ?, ?, 1, 1, ?, ?, ?, ?, ?, ?)
                """,
                assets,
            )
            database.executemany(
                "INSERT INTO item VALUES (?, ?, ?, ?, NULL, NULL, 'content')",
                [row.item for row in rows],
            )
            stored = vectors.astype("<f2")
            database.executemany(
                "INSERT INTO embedding VALUES (1, ?, ?)",
                [(row.item[0], v.tobytes()) for row, v in zip(rows, stored, strict=True)],
            )
        database.execute("UPDATE index_info SET generation = generation + 1")
        database.commit()
    return index


@dataclass(frozen=True)
class Row:
    """An item, and its asset where it is the first one of it, as the tables hold them."""

    item: tuple[int, int, str, str | None]
    asset: tuple[int, str, int, int, str, float, float, str | None] | None


def _item(number: int, random: np.random.Generator) -> Row:
    """Every fourth item is the caption of the photo before it."""
    if number % 4 == 3:
        caption = " ".join(random.choice(WORDS, 8))
        return Row((number + 1, number, Modality.CAPTION.value, caption), None)
    suffix = "png" if number % 10 == 9 else "jpg"
    path = f"folder-{number % 20:02}/{number % 400 // 20:02}/{number}.{suffix}"
    taken = datetime(2010, 1, 1) + timedelta(minutes=float(random.integers(15 * 365 * 1440)))
    place = float(random.uniform(-60, 70)), float(random.uniform(-180, 180))
    size = SIZES[random.integers(len(SIZES))]
    camera = CAMERAS[random.integers(len(CAMERAS))]
    asset = (number + 1, path, *size, taken.isoformat(), *place, camera)
    return Row((number + 1, number + 1, Modality.IMAGE.value, None), asset)


def measure(index: IndexDirectory) -> list[list[object]]:
    random = np.random.default_rng(1)
    rows: list[list[object]] = []
    for filters in FILTERS:
        walls, busy, found = [], [], 0
        for _ in range(RUNS + 1):
            vector = random.standard_normal(DIM).astype(np.float32)
            vector /= np.linalg.norm(vector)
            text = f"{' '.join(random.choice(WORDS, 2))} at the sea {filters}"
            question = read_query(Query(text=text))
            unwanted = Sought.text(np.roll(vector, 1)).wanted if question.unwanted else ()
            sought = Sought(Sought.text(vector).wanted, unwanted)
            wall, cpu = time.perf_counter(), time.process_time()
            with index.snapshot() as snapshot:
                found = len(retrieve(snapshot, question, sought, 10))
            walls.append(1000 * (time.perf_counter() - wall))
            busy.append(1000 * (time.process_time() - cpu))
        figures = (busy[0], np.median(busy[1:]), np.median(walls[1:]))
        rows.append([filters or "(none)", found, *(f"{ms:.1f}" for ms in figures)])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=200_000)
    count = parser.parse_args().items
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        index = make(Path(folder), count)
        print(f"{count} items made in {time.perf_counter() - started:.0f} s\n")
        with index.snapshot():
            pass
        print(
            markdown(["filters", "hits", "first, CPU ms", "p50, CPU ms", "p50, ms"], measure(index))
        )
        index.close()


if __name__ == "__main__":
    main()
