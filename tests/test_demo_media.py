"""The demo's media are all credited, readable and small enough to ship."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import mmsearch

DEMO = Path(__file__).parent.parent / "indexes" / "demo"
MEDIA = DEMO / "media"
FREE_LICENCES = {"CC0-1.0", "CC-BY-2.0", "CC-BY-4.0", "public domain"}
OTHERS_PHOTO = ("shows", "author", "licence", "origin", "changes")
OUR_OWN = ("what", "licence", "how")


def credited() -> dict[str, dict[str, str]]:
    """The rows of the README's two tables, by file."""
    rows = re.findall(r"^\| `(.+?)` \| (.+) \|$", (DEMO / "README.md").read_text("utf-8"), re.M)
    found = {}
    for name, rest in rows:
        cells = rest.split(" | ")
        columns = OUR_OWN if len(cells) == len(OUR_OWN) else OTHERS_PHOTO
        found[name] = dict(zip(columns, cells, strict=True))
    return found


def shipped() -> list[str]:
    return sorted(path.relative_to(MEDIA).as_posix() for path in MEDIA.rglob("*") if path.is_file())


def test_every_file_is_credited_and_every_credit_has_a_file() -> None:
    assert sorted(credited()) == shipped()
    assert {Path(name).suffix for name in shipped()} >= {".jpg", ".txt", ".md", ".mp3", ".mp4"}


@pytest.mark.parametrize("name", [name for name in shipped() if name.endswith(".jpg")])
def test_a_photo_opens_and_is_small(name: str) -> None:
    with Image.open(MEDIA / name) as image:
        image.load()
        assert image.format == "JPEG"
        assert 200 <= min(image.size) <= max(image.size) <= 1024


@pytest.mark.parametrize(("name", "row"), credited().items())
def test_a_credit_is_complete_and_free(name: str, row: dict[str, str]) -> None:
    assert all(cell.strip() for cell in row.values()), name
    if "origin" not in row:
        assert row["licence"].startswith("CC0-1.0")
        return
    licence, note = re.fullmatch(r"(.+) \[(\d+)\]", row["licence"]).groups()  # type: ignore[union-attr]
    assert licence in FREE_LICENCES
    assert re.search(rf"^{note}\. ", (DEMO / "README.md").read_text("utf-8"), re.M)
    if licence.startswith("CC-BY"):
        assert row["author"] != "not stated"


def test_the_video_shows_only_photos_that_may_be_changed_without_a_credit() -> None:
    rows = credited()
    photos = re.findall(r"`(.+?)`", rows["stories/a-good-day.mp4"]["licence"])
    assert len(photos) == 4
    for photo in photos:
        assert rows[photo]["licence"].startswith(("CC0-1.0", "public domain"))


def test_all_files_together_are_at_most_5_mb() -> None:
    assert sum((MEDIA / name).stat().st_size for name in shipped()) <= 5_000_000


def test_the_committed_index_holds_what_the_files_say(tmp_path: Path) -> None:
    demo = Path(shutil.copytree(DEMO, tmp_path / "demo", copy_function=shutil.copyfile))
    before = items(demo)
    with mmsearch.open(demo) as index:  # modification times are those of the copy
        report = index.update()

    assert (report.added, report.removed, report.failed) == (0, 0, ())
    assert items(demo) == before


def items(index: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(index / "catalog.sqlite")) as catalog:
        return catalog.execute("SELECT * FROM item ORDER BY id").fetchall()
