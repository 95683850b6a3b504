"""How fast the page of `mmsearch serve` shows first results, and how smoothly it scrolls.

    python benchmarks/page.py [--photos 10000] [--index DIR]

Makes an index of small photos that no encoder is needed for (kept where --index says, else thrown
away), serves it on loopback, and opens the page in the system's Chromium. First results: from
the key to the frame in which tiles, and then the pictures of all tiles in sight, are there.
Scrolling: all hits from the first to the last, at 9,000 pixels a second, then on at reading speed;
Chromium reports every task of its main thread that takes more than 50 ms. Server and browser
share the cores, and pictures are reduced when they are first seen.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from measure import MMSEARCH, markdown
from PIL import Image
from playwright.sync_api import Page, sync_playwright

import mmsearch
from mmsearch.catalog.place import CATALOG_NAME

COLOURS = ("red", "green", "blue", "yellow", "orange", "purple", "pink", "brown", "white", "black")
URL = re.compile(r"http://127\.0\.0\.1:\d+/")

# From the key to the first frame with tiles, and to the one with all their pictures; in ms.
SEARCH = """async query => {
    const frame = () => new Promise(requestAnimationFrame);
    const sight = () => [...document.querySelectorAll(".tile")].filter(
        tile => tile.getBoundingClientRect().top < innerHeight);
    const loaded = tile => {
        const image = tile.querySelector("img");
        return !image || (image.complete && image.naturalWidth > 0);
    };
    const before = document.querySelector(".row");
    document.querySelector("#q").value = query;
    const start = performance.now();
    document.querySelector("#search").requestSubmit();
    while (!document.querySelector(".row") || document.querySelector(".row") === before)
        await frame();
    await frame();
    const tiles = performance.now() - start;
    while (!sight().every(loaded)) await frame();
    await frame();
    return [tiles, performance.now() - start];
}"""

# Scrolls to the end, however often it moves away; then gives what it was like.
SCROLL = """async ([step, most]) => {
    const tasks = [], frames = [];
    const observer = new PerformanceObserver(list => tasks.push(...list.getEntries()));
    observer.observe({ type: "longtask" });
    const begin = performance.now();
    let tiles = 0, last = begin, still = 0;
    while (still < 90 && performance.now() - begin < most) {
        const now = await new Promise(requestAnimationFrame);
        frames.push(now - last);
        last = now;
        const before = scrollY;
        scrollBy(0, step);
        still = scrollY === before ? still + 1 : 0;
        if (frames.length % 20 === 0)
            tiles = Math.max(tiles, document.querySelectorAll(".tile").length);
    }
    observer.disconnect();
    frames.sort((a, b) => a - b);
    return {
        pixels: scrollY, tiles,
        seconds: (performance.now() - begin) / 1000,
        longest: Math.max(0, ...tasks.map(task => task.duration)), tasks: tasks.length,
        median: frames[frames.length >> 1], p99: frames[Math.floor(frames.length * 0.99)],
    };
}"""


def make(path: Path, photos: Path, count: int) -> None:
    """Photos of coloured blocks, none a copy of another one; their rows go in by SQL."""
    random = np.random.default_rng(0)
    rows = []
    for number in range(1, count + 1):
        photo = photos / f"{number // 500:02}" / f"{number:05}.jpg"
        photo.parent.mkdir(parents=True, exist_ok=True)
        blocks = random.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        size = (int(random.integers(160, 420)), 280)
        Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST).save(photo, quality=70)
        state = photo.stat()
        name = photo.relative_to(photos).as_posix()
        rows.append((number, name, state.st_size, state.st_mtime_ns, *size))
    with mmsearch.create(path, model="testing") as index:
        vectors = random.standard_normal((count, index.encoder.dim))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        halves = vectors.astype("<f2")
        with index._directory.writing() as catalog:
            with catalog.transaction() as change:
                source = change.add_source(photos)
            with closing(sqlite3.connect(path / CATALOG_NAME)) as database:
                database.executemany(
                    "INSERT INTO asset (source_id, id, path, size, mtime_ns, width, height) "
                    f"VALUES ({source.id}, ?, ?, ?, ?, ?, ?)",
                    rows,
                )
                database.executemany(
                    "INSERT INTO item VALUES (?, ?, 'image', NULL, NULL, NULL, 'content')",
                    [(row[0], row[0]) for row in rows],
                )
                database.executemany(
                    "INSERT INTO embedding VALUES (1, ?, ?)",
                    [(row[0], one.tobytes()) for row, one in zip(rows, halves, strict=True)],
                )
                database.execute("UPDATE index_info SET generation = generation + 1")
                database.commit()


@contextmanager
def serving(index: Path, cache: str) -> Iterator[str]:
    """The address of a server of its own process, with an empty cache of thumbnails."""
    told = Path(cache) / "serve.log"  # a line a request: a pipe that nobody empties would fill
    with told.open("w") as log:
        process = subprocess.Popen(
            [*MMSEARCH, "serve", "--index", str(index), "--port", "0"],
            stderr=log,
            env={"MMSEARCH_CACHE": cache, "PATH": "/usr/bin:/bin", "HOME": cache},
        )
    try:
        while not (found := URL.search(told.read_text())):
            assert process.poll() is None, told.read_text()
            time.sleep(0.1)
        yield found[0]
    finally:
        process.terminate()
        process.wait()


@contextmanager
def opened(address: str) -> Iterator[Page]:
    """The page, in a window of 1280 x 800 pixels."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(120_000)
        page.goto(f"{address}?all=1")  # their vectors are made up: nothing is a likely answer
        page.wait_for_selector(".tile")
        yield page
        browser.close()


def first_results(page: Page) -> tuple[list[float], list[float]]:
    """Milliseconds to tiles and to pictures, of queries that were not asked before."""
    queries = [f"{one} type:image" for one in COLOURS]
    page.evaluate(SEARCH, "a grey photo")  # warm: the encoder is loaded, the connection is open
    times: list[Any] = [page.evaluate(SEARCH, query) for query in queries]
    return [one[0] for one in times], [one[1] for one in times]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--index", type=Path, help="where the index is kept, with its photos")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.index or Path(scratch)
        if not (folder / "index").exists():
            make(folder / "index", folder / "photos", given.photos)
        with serving(folder / "index", scratch) as address, opened(address) as page:
            tiles, pictures = first_results(page)
            page.goto(f"{address}?q=type:image")
            page.wait_for_selector(".tile")
            fast = page.evaluate(SCROLL, [150, 110_000])
            summary = page.inner_text("#summary")
            page.evaluate("scrollTo(0, scrollY / 2)")
            slow = page.evaluate(SCROLL, [12, 8_000])
    print(f"{given.photos:,} photos; scrolled through: {summary}\n")
    print(
        markdown(
            ["first results, ms", "median", "worst"],
            [
                ["tiles are there", f"{median(tiles):.0f}", f"{max(tiles):.0f}"],
                [
                    "their pictures too",
                    f"{median(pictures):.0f}",
                    f"{max(pictures):.0f}",
                ],
            ],
        )
    )
    print()
    print(
        markdown(
            ["scrolled", "longest task", "tasks over 50 ms", "frames: median, p99", "tiles, most"],
            [
                [
                    f"{run['pixels']:,.0f} px in {run['seconds']:.0f} s"
                    if name == "fast"
                    else f"at reading speed for {run['seconds']:.0f} s",
                    f"{run['longest']:.0f} ms",
                    f"{run['tasks']}",
                    f"{run['median']:.0f}, {run['p99']:.0f} ms",
                    f"{run['tiles']}",
                ]
                for name, run in (("fast", fast), ("slow", slow))
            ],
        )
    )


if __name__ == "__main__":
    main()
