"""What ``index.duplicates`` lists, and what it must not list."""

from __future__ import annotations

import os
import shutil
import sqlite3
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import mmsearch
from mmsearch.catalog.place import CATALOG_NAME
from mmsearch.errors import QueryError
from mmsearch.items import DuplicateGroup, Match
from tests.search.duplicates.scenes import SIZE, cropped, resized, save, scene


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two photos that there are several of, and two others."""
    folder = tmp_path / "photos"
    for name in ("a", "b", "c", "d"):
        save(scene(ord(name)), folder / f"{name}.jpg", quality=90)
    shutil.copy(folder / "a.jpg", folder / "a again.jpg")
    save(resized(scene(ord("a")), 0.5), folder / "small" / "a.png")
    save(cropped(scene(ord("b")), 0.04), folder / "small" / "b.jpg")
    for at, name in enumerate(("a.jpg", "a again.jpg", "b.jpg")):
        os.utime(folder / name, (1e9 + at, 1e9 + at))
    return folder


def told(group: DuplicateGroup) -> tuple[str, str, dict[str, Match | None]]:
    """The best's name, the reason, and the copies' names and matches."""
    return group.best.path.name, group.reason, {c.path.name: c.match for c in group.copies}


def test_groups_come_with_the_best_first(index: mmsearch.Index, photos: Path) -> None:
    index.add(photos)

    a, b = index.duplicates().groups

    assert told(a) == (
        "a.jpg",
        "oldest of the largest",
        {"a again.jpg": Match.EXACT, "a.png": Match.NEAR},
    )
    assert told(b) == ("b.jpg", "largest", {"b.jpg": Match.NEAR})
    assert (a.best.width, a.best.height) == SIZE
    assert a.best.bytes == a.best.path.stat().st_size


def test_only_equal_files_are_exact(index: mmsearch.Index, photos: Path) -> None:
    index.add(photos)

    (group,) = index.duplicates(match="exact").groups

    assert told(group) == ("a.jpg", "oldest", {"a again.jpg": Match.EXACT})


def test_only_a_folder(index: mmsearch.Index, photos: Path) -> None:
    shutil.copy(photos / "small" / "a.png", photos / "small" / "a again.png")
    index.add(photos)

    (group,) = index.duplicates(folder=photos / "small").groups

    assert len(group.copies) == 1
    with pytest.raises(QueryError, match="Nothing is indexed"):
        index.duplicates(folder=photos / "elsewhere")


def test_the_best_is_never_a_file_that_is_gone(index: mmsearch.Index, photos: Path) -> None:
    index.add(photos)
    (photos / "a.jpg").unlink()
    (photos / "b.jpg").write_bytes(b"something else")

    found = index.duplicates()

    (group,) = found.groups
    assert told(group) == ("a again.jpg", "largest", {"a.png": Match.NEAR})
    assert {failure.path.name: failure.reason for failure in found.left_out} == {
        "a.jpg": "it is no longer there",
        "b.jpg": "it has changed since it was indexed",
    }


def test_links_to_one_file_are_no_copies(index: mmsearch.Index, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    original = save(scene(1), folder / "original.jpg")
    try:
        (folder / "a link.jpg").symlink_to(original)
        os.link(original, folder / "hard.jpg")
    except OSError:
        pytest.skip("no links can be made here")
    index.add(folder)

    assert index.duplicates().groups == ()


def test_a_burst_is_of_one_camera_and_one_moment(index: mmsearch.Index, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    shots = (
        ("first", 0, "Box"),
        ("second", 1, "Box"),
        ("late", 30, "Box"),
        ("other", 1, "Brownie"),
    )
    for place, (name, seconds, camera) in enumerate(shots):
        save(moved(place), folder / f"{name}.jpg", exif=taken(seconds, camera), quality=95)
        os.utime(folder / f"{name}.jpg", (1e9 + seconds, 1e9 + seconds))
    index.add(folder)

    assert index.duplicates().groups == ()
    (group,) = index.duplicates(match="burst").groups
    assert told(group) == ("first.jpg", "oldest", {"second.jpg": Match.BURST})
    assert group.best.captured_at == datetime(2020, 5, 17, 12, 0, 0)


def moved(place: int) -> Image.Image:
    """A scene in which something moves."""
    picture = scene(7)
    picture.paste(resized(scene(8), 0.3), (20 + 160 * (place % 3), 60 * (place % 4)))
    return picture


def taken(seconds: int, camera: str) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0110] = camera
    exif.get_ifd(0x8769)[0x9003] = f"2020:05:17 12:00:{seconds:02}"
    return exif


def test_photos_of_an_older_index_are_read_again(index: mmsearch.Index, photos: Path) -> None:
    index.add(photos)
    with sqlite3.connect(index.path / CATALOG_NAME) as catalog:
        catalog.execute("DELETE FROM fingerprint")
    calls: list[tuple[float, int]] = []

    groups = index.duplicates(progress=lambda done, total: calls.append((done, total))).groups

    assert len(groups) == 2
    assert calls[0] == (0, 7)
    assert calls[-1] == (7, 7)
    assert len(index.duplicates().groups) == 2


def test_copies_of_copies_are_found(index: mmsearch.Index, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    random = np.random.default_rng(0)
    for number in range(40):
        picture = np.asarray(scene(1)).astype(int) + random.integers(-2, 3, (*SIZE[::-1], 3))
        noisy = Image.fromarray(picture.clip(0, 255).astype(np.uint8))
        save(noisy, folder / f"{number}.png", compress_level=0)
    index.add(folder)

    (group,) = index.duplicates().groups

    assert len(group.copies) == 39


def test_other_files_have_exact_copies(index: mmsearch.Index, tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    for name in ("one.txt", "two.txt"):
        (folder / name).write_text("The lighthouse keeper had three daughters.")
    index.add(folder)

    (group,) = index.duplicates().groups

    assert [copy.match for copy in group.copies] == [Match.EXACT]


def test_an_empty_index_has_none(index: mmsearch.Index) -> None:
    assert index.duplicates() == mmsearch.Duplicates((), ())


def test_a_match_that_there_is_not(index: mmsearch.Index) -> None:
    with pytest.raises(QueryError, match="exact, near, burst"):
        index.duplicates(match="similar")


def test_files_that_have_no_number_are_different_files(
    index: mmsearch.Index, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on some file systems on Windows."""
    index.add(photos)
    expected = [told(group) for group in index.duplicates().groups]
    stat = Path.stat

    def without_number(path: Path, **options: bool) -> SimpleNamespace:
        state = stat(path, **options)
        names = ("st_mode", "st_size", "st_mtime_ns", "st_dev")
        return SimpleNamespace(st_ino=0, **{name: getattr(state, name) for name in names})

    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", without_number)
        assert [told(group) for group in index.duplicates().groups] == expected
