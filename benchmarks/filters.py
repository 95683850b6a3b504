"""What filtered queries cost over a large index.

    python benchmarks/filters.py FLICKR8K [--items 200000]

Makes an index of photos with places, dates, cameras and folders, every third with a caption, whose
embeddings are made of real ones (see `large_vectors`), arranges it as an indexing run does, and
times queries with filters: all but encoding the query's text. Queries and captions are real ones of
different photos. The first query of each kind reads the columns that it filters by; the others find
them in memory. On a busy machine look at the processor's time.
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
from large_vectors import Real, embed_real, made_of
from measure import markdown
from numpy.typing import NDArray

from mmsearch.catalog.place import CATALOG_NAME
from mmsearch.encoders.background import background_id, encode_background
from mmsearch.encoders.registry import load
from mmsearch.index import IndexDirectory
from mmsearch.ingest.identity import stored_identity
from mmsearch.items import Modality
from mmsearch.search.calibrate.cut import SPARE
from mmsearch.search.query import Query, read_query
from mmsearch.search.retrieve import retrieve
from mmsearch.search.sought import Sought

PHOTOS = 1000
RUNS = 40
CAMERAS = ("Canon EOS 40D", "NIKON D750", "Apple iPhone 12", "Panasonic DMC-TZ7", None)
SIZES = ((4000, 3000), (3000, 4000), (1920, 1080), (640, 480))
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


def make(folder: Path, real: Real, count: int) -> IndexDirectory:
    """An index that is arranged as an indexing run leaves it."""
    encoder = load("embedded")
    index = IndexDirectory.create(folder / "index", stored_identity(encoder))
    with index.writing() as catalog:
        catalog.put_background(background_id(), encode_background(encoder))
        with catalog.transaction() as change:
            change.add_source(folder / "photos")
    _fill(index.path / CATALOG_NAME, real, count)
    with index.writing():
        pass
    return index


def _fill(catalog: Path, real: Real, count: int) -> None:
    """Rows go in by SQL: a transaction an asset, with all that it keeps in step, takes minutes."""
    random = np.random.default_rng(0)
    number = 0
    with closing(sqlite3.connect(catalog)) as database:
        database.execute("PRAGMA foreign_keys = ON")
        for vectors in made_of(real.photos, count):
            rows = [_row(number + at, vector, real, random) for at, vector in enumerate(vectors)]
            number += len(rows)
            database.executemany(
                """
                INSERT INTO asset (source_id, id, path, size, mtime_ns, width, height, captured_at,
                    latitude, longitude, camera) VALUES (1, ?, ?, 1, 1, ?, ?, ?, ?, ?, ?)
                """,
                [row.asset for row in rows if row.asset],
            )
            database.executemany(
                "INSERT INTO item VALUES (?, ?, ?, ?, NULL, NULL, 'content')",
                [row.item for row in rows],
            )
            database.executemany(
                "INSERT INTO embedding VALUES (1, ?, ?)",
                [(row.item[0], row.vector.tobytes()) for row in rows],
            )
        database.execute("UPDATE index_info SET generation = generation + 1")
        database.commit()


@dataclass(frozen=True)
class Row:
    """An item, and its asset where it is the first one of it, as the tables hold them."""

    item: tuple[int, int, str, str | None]
    asset: tuple[int, str, int, int, str, float, float, str | None] | None
    vector: NDArray[np.float16]


def _row(number: int, vector: NDArray[np.float16], real: Real, random: np.random.Generator) -> Row:
    """Every fourth item is the caption of the photo before it."""
    if number % 4 == 3:
        of = number // 4 % (len(real.texts) // 2)  # the other half are queries
        turned = real.captions[of] + 0.5 * vector
        item = (number + 1, number, Modality.CAPTION.value, real.texts[of])
        return Row(item, None, (turned / np.linalg.norm(turned)).astype(np.float16))
    suffix = "png" if number % 10 == 9 else "jpg"
    path = f"folder-{number % 20:02}/{number % 400 // 20:02}/{number}.{suffix}"
    taken = datetime(2010, 1, 1) + timedelta(minutes=float(random.integers(15 * 365 * 1440)))
    place = float(random.uniform(-60, 70)), float(random.uniform(-180, 180))
    size = SIZES[random.integers(len(SIZES))]
    camera = CAMERAS[random.integers(len(CAMERAS))]
    asset = (number + 1, path, *size, taken.isoformat(), *place, camera)
    return Row((number + 1, number + 1, Modality.IMAGE.value, None), asset, vector)


def measure(index: IndexDirectory, real: Real) -> list[list[object]]:
    rows: list[list[object]] = []
    for filters in FILTERS:
        walls, busy, found = [], [], 0
        for at in range(-RUNS - 1, 0):
            question = read_query(Query(text=f"{real.texts[at]} {filters}"))
            unwanted = Sought.text(real.captions[0]).wanted if question.unwanted else ()
            sought = Sought(Sought.text(real.captions[at]).wanted, unwanted)
            wall, cpu = time.perf_counter(), time.process_time()
            with index.snapshot() as snapshot:
                found = len(retrieve(snapshot, question, sought, 10, spare=SPARE))
            walls.append(1000 * (time.perf_counter() - wall))
            busy.append(1000 * (time.process_time() - cpu))
        figures = (busy[0], np.median(busy[1:]), np.median(walls[1:]))
        rows.append([filters or "(none)", found, *(f"{ms:.1f}" for ms in figures)])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("flickr8k", type=Path)
    parser.add_argument("--items", type=int, default=200_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        real = embed_real(given.flickr8k, Path(folder) / "real.npz", PHOTOS)
        index = make(Path(folder), real, given.items)
        print(f"{index.vectors_status()}\n")
        rows = measure(index, real)
        index.close()
    print(markdown(["filters", "hits", "first, CPU ms", "p50, CPU ms", "p50, ms"], rows))


if __name__ == "__main__":
    main()
