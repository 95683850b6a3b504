"""What `mmsearch serve` bears: many clients at once over a large index.

    python benchmarks/load.py [--items 100000] [--clients 64] [--seconds 60] [--index DIR]
        [--workers 0]

Makes an index of photos (kept where --index says, else thrown away) whose vectors are those of
made-up captions with noise, so that they lie in clusters as real ones do. Serves it on loopback,
and asks: one client for a while, one request at a time; then many for longer. Hardly a query is
asked twice. The clients run on the same cores.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote_plus

import numpy as np
import psutil
from measure import MMSEARCH, markdown

import mmsearch
from mmsearch.catalog.place import CATALOG_NAME
from mmsearch.ingest.background import ensure_background

CHUNK = 5000
NOISE = 0.8  # length of what is added to a caption's vector of length 1
THINGS = ("dog", "cat", "horse", "bird", "child", "woman", "man", "boat", "car", "train", "tree")
PLACES = ("beach", "street", "river", "mountain", "market", "garden", "bridge", "kitchen", "field")
LOOKS = ("red", "green", "blue", "yellow", "white", "black", "old", "small", "wet", "happy", "tall")
DOINGS = ("running", "sleeping", "eating", "jumping", "standing", "sitting", "playing", "cooking")
TIMES = ("at night", "in the rain", "in the snow", "in the sun", "in fog", "in spring", "at dawn")
KINDS = (LOOKS, THINGS, DOINGS, LOOKS, PLACES, TIMES)
URL = re.compile(r"serves http://127\.0\.0\.1:(\d+)/")


def phrase(random: np.random.Generator) -> str:
    """A description; of more than half a million."""
    return " ".join(str(random.choice(kind)) for kind in KINDS)


def make(path: Path, count: int) -> None:
    """Rows go in by SQL: a transaction an asset, with all that it keeps in step, takes minutes."""
    random = np.random.default_rng(0)
    with mmsearch.create(path, model="embedded") as index:
        encoder = index.encoder
        captions = encoder.encode_texts([phrase(random) for _ in range(2000)])
        directory = index._directory
        with directory.writing() as catalog:
            with catalog.transaction() as change:
                source = change.add_source(path.parent / "photos")
            with closing(sqlite3.connect(path / CATALOG_NAME)) as database:
                for first in range(1, count + 1, CHUNK):
                    ids = range(first, min(first + CHUNK, count + 1))
                    vectors = captions[random.integers(len(captions), size=len(ids))]
                    noise = random.standard_normal(vectors.shape) / vectors.shape[1] ** 0.5
                    vectors = vectors + NOISE * noise
                    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
                    put(database, source.id, ids, vectors.astype("<f2"))
                database.execute("UPDATE index_info SET generation = generation + 1")
                database.commit()
            ensure_background(catalog, lambda: encoder)


def put(database: sqlite3.Connection, source: int, ids: range, vectors: np.ndarray) -> None:
    taken = datetime(2010, 1, 1)
    database.executemany(
        """
        INSERT INTO asset (source_id, id, path, size, mtime_ns, width, height, captured_at)
        VALUES (?, ?, ?, 1, 1, 4000, 3000, ?)
        """,
        [
            (source, i, f"folder-{i % 40:02}/{i}.jpg", (taken + timedelta(hours=i)).isoformat())
            for i in ids
        ],
    )
    database.executemany(
        "INSERT INTO item VALUES (?, ?, 'image', NULL, NULL, NULL, 'content')",
        [(i, i) for i in ids],
    )
    rows = [(i, vector.tobytes()) for i, vector in zip(ids, vectors, strict=True)]
    database.executemany("INSERT INTO embedding VALUES (1, ?, ?)", rows)


@dataclass
class Load:
    """What clients saw.

    Attributes:
        seconds: how long they asked.
        milliseconds: that each answer took.
        errors: answers that were none, or no success.
    """

    seconds: float = 0.0
    milliseconds: list[float] = field(default_factory=list)
    errors: int = 0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.milliseconds) / self.seconds

    def row(self, name: str) -> list[object]:
        """What to print."""
        p50, p99 = np.percentile(self.milliseconds, [50, 99])
        return [name, f"{self.rate:.1f}", f"{p50:.0f}", f"{p99:.0f}", self.errors]


async def ask(port: int, clients: int, seconds: float, seed: int) -> Load:
    """Some clients, each with a connection of its own that asks again when it is answered."""
    load = Load()
    end = time.perf_counter() + seconds

    async def client(number: int) -> None:
        random = np.random.default_rng((seed, number))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with closing(writer):
            while (started := time.perf_counter()) < end:
                target = f"/api/v1/indexes/load/search?q={quote_plus(phrase(random))}&k=10&all=1"
                writer.write(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(re.search(rb"content-length: (\d+)", head)[1])
                body = await reader.readexactly(length)
                load.milliseconds.append(1000 * (time.perf_counter() - started))
                load.errors += not (head.startswith(b"HTTP/1.1 200") and b'"rank":10' in body)

    began = time.perf_counter()
    done = await asyncio.gather(*map(client, range(clients)), return_exceptions=True)
    load.seconds = time.perf_counter() - began
    load.errors += sum(isinstance(one, Exception) for one in done)
    return load


def serve(path: Path, workers: int, stack: ExitStack) -> tuple[psutil.Process, int]:
    """Starts the server; returns its process and port when it listens."""
    log = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "log"
    command = [*MMSEARCH, "serve", "--index", str(path), "--port", "0", "--log-format", "json"]
    if workers:
        command += ["--workers", str(workers)]
    with log.open("w") as target:
        process = psutil.Popen(command, stderr=target, stdout=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    while not (found := URL.search(log.read_text())):
        if process.poll() is not None:
            sys.exit(log.read_text())
        time.sleep(0.1)
    return process, int(found[1])


async def ask_and_look(
    port: int, clients: int, seconds: float, processes: list[psutil.Process]
) -> tuple[Load, list[int]]:
    """The same, and the processes' memory at the beginning and at each quarter."""
    memories = [memory(processes)]

    async def look() -> None:
        for _ in range(3):
            await asyncio.sleep(seconds / 4)
            memories.append(memory(processes))

    load, _ = await asyncio.gather(ask(port, clients, seconds, seed=3), look())
    return load, [*memories, memory(processes)]


def memory(processes: list[psutil.Process]) -> int:
    """Bytes of memory that processes have to themselves, and their shares of the rest."""
    return sum(one.memory_full_info().pss for one in processes)


def cpu_seconds(processes: list[psutil.Process]) -> float:
    return sum(sum(one.cpu_times()[:2]) for one in processes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--index", type=Path)
    parser.add_argument("--workers", type=int, default=0)
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = given.index or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        path = folder / "load.mmsearch"
        if not path.exists():
            make(path, given.items)
        process, port = serve(path, given.workers, stack)
        asyncio.run(ask(port, given.clients, given.seconds / 6, seed=1))  # warms up
        alone = asyncio.run(ask(port, 1, given.seconds / 4, seed=2))
        processes = [process, *process.children()]
        busy = cpu_seconds(processes)
        many, memories = asyncio.run(ask_and_look(port, given.clients, given.seconds, processes))
        busy = cpu_seconds(processes) - busy
    rows = [alone.row("1"), many.row(str(given.clients))]
    print(markdown(("clients", "answers/s", "p50 ms", "p99 ms", "errors"), rows))
    print(f"{many.rate / alone.rate:.1f} times as many answers as one request at a time")
    print(f"{1000 * busy / len(many.milliseconds):.1f} ms of processor time an answer")
    grown = ", ".join(f"{one / 1e6:.0f}" for one in memories)
    print(f"memory in MB, after warming up and at each quarter: {grown}")


if __name__ == "__main__":
    main()
