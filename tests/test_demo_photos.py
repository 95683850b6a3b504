"""The demo photos are all credited, readable and small enough to ship."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

DEMO = Path(__file__).parent.parent / "indexes" / "demo"
PHOTOS = DEMO / "photos"
FREE_LICENCES = {"CC0-1.0", "CC-BY-2.0", "CC-BY-4.0", "public domain"}
COLUMNS = ("shows", "author", "licence", "origin", "changes")


def credited() -> dict[str, dict[str, str]]:
    """The rows of the README's table, by file."""
    rows = re.findall(r"^\| `(.+?)` \| (.+) \|$", (DEMO / "README.md").read_text("utf-8"), re.M)
    return {name: dict(zip(COLUMNS, rest.split(" | "), strict=True)) for name, rest in rows}


def shipped() -> list[str]:
    return sorted(
        path.relative_to(PHOTOS).as_posix() for path in PHOTOS.rglob("*") if path.is_file()
    )


def test_every_photo_is_credited_and_every_credit_has_a_photo() -> None:
    assert sorted(credited()) == shipped()
    assert len(shipped()) >= 12


@pytest.mark.parametrize("name", shipped())
def test_a_photo_opens_and_is_small(name: str) -> None:
    with Image.open(PHOTOS / name) as image:
        image.load()
        assert image.format == "JPEG"
        assert 200 <= min(image.size) <= max(image.size) <= 1024


@pytest.mark.parametrize(("name", "row"), credited().items())
def test_a_credit_is_complete_and_free(name: str, row: dict[str, str]) -> None:
    assert all(row[column].strip() for column in COLUMNS), name
    licence, note = re.fullmatch(r"(.+) \[(\d+)\]", row["licence"]).groups()  # type: ignore[union-attr]
    assert licence in FREE_LICENCES
    assert re.search(rf"^{note}\. ", (DEMO / "README.md").read_text("utf-8"), re.M)
    if licence.startswith("CC-BY"):
        assert row["author"] != "not stated"


def test_all_photos_together_are_at_most_5_mb() -> None:
    assert sum((PHOTOS / name).stat().st_size for name in shipped()) <= 5_000_000
