"""``kill -9`` at any moment loses nothing that was committed, and the next run goes on."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mmsearch
from mmsearch.testing import make_photo

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="no kill -9 there"),
]

COLOURS = ["a red photo", "a dark blue photo", "green", "bright yellow"]


def index_command(index: Path, photos: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "mmsearch", "index", str(photos)),
        *("--index", str(index), "--model", "testing", "--json"),
    ]


def answers(index: Path) -> list[list[tuple[str, float]]]:
    with mmsearch.open(index) as opened:
        return [
            [(hit.path.name, hit.score) for hit in opened.search(text, k=2000)] for text in COLOURS
        ]


PHOTOS = 600
KILLS = 15  # benchmarks/kills.py makes fifty, on photos


def test_kills_leave_the_answers_of_an_undisturbed_run(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    generator = random.Random(0)
    for number in range(PHOTOS):
        colour = tuple(generator.randrange(256) for _ in range(3))
        make_photo(photos / f"{number % 7}" / f"{number}.png", colour, size=(160, 120))
    (photos / "broken.jpg").write_bytes(b"broken")
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    started = time.monotonic()
    subprocess.run(index_command(undisturbed, photos), check=True, capture_output=True)
    longest = time.monotonic() - started

    assets = 0
    for _ in range(KILLS):
        process = subprocess.Popen(
            index_command(killed, photos), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(generator.uniform(0, longest))
        process.send_signal(signal.SIGKILL)
        process.wait()
        if (killed / "catalog.sqlite").exists():
            with mmsearch.open(killed) as opened:
                assert opened.verify() == []
                assert opened.status().assets >= assets
                assets = opened.status().assets
                assert len(opened.search("red", k=2000)) == assets

    last = subprocess.run(index_command(killed, photos), check=True, capture_output=True)
    report = json.loads(last.stdout)
    assert report["added"] + report["unchanged"] == PHOTOS
    assert len(report["failed"]) == 1
    assert [sorted(a) for a in answers(killed)] == [sorted(a) for a in answers(undisturbed)]
    shutil.rmtree(killed / "vectors")
    assert [sorted(a) for a in answers(killed)] == [sorted(a) for a in answers(undisturbed)]


def test_an_interrupt_keeps_what_was_done_and_says_so(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for number in range(1500):
        make_photo(photos / f"{number}.png", (number % 256, number // 256, 0), size=(320, 240))
    process = subprocess.Popen(
        index_command(tmp_path / "index", photos), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    while "files/s" not in (shown := process.stderr.read(80)):  # the bar moves: work is under way
        assert shown, "the run ended before it could be interrupted"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "interrupted. What was done is kept; run the same command to go on." in errors
    assert "Traceback" not in errors
    done = subprocess.run(index_command(tmp_path / "index", photos), capture_output=True)
    report = json.loads(done.stdout)
    assert report["added"] + report["unchanged"] == 1500
