"""``mmsearch duplicates`` and ``query`` over copies, from the outside."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import indexed
from tests.search.duplicates.scenes import resized, save, scene


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two photos, and an equal and a smaller copy of one of them."""
    folder = tmp_path / "photos"
    first = save(scene(1), folder / "first.jpg")
    os.utime(first, (1e9, 1e9))
    shutil.copy(first, folder / "again.jpg")
    save(resized(scene(1), 0.5), folder / "half.png")
    save(scene(2), folder / "other.jpg")
    return folder


def test_groups_for_people_for_pipes_and_as_json(mmsearch, photos: Path) -> None:
    indexed(photos)
    first, again, half = (photos / name for name in ("first.jpg", "again.jpg", "half.png"))

    done = mmsearch("duplicates")
    heading, *lines = done.stdout.splitlines()
    assert heading.split() == ["match", "pixels", "size", "file"]
    assert [line.split()[0] for line in lines] == ["best", "exact", "near"]
    assert lines[0].endswith("first.jpg  (oldest of the largest)")
    assert "2 copies of 1 file," in done.stderr

    assert mmsearch("duplicates", "--paths").stdout == f"{first}\n{again}\n{half}\n"
    assert mmsearch("duplicates", "--copies", "-0").stdout == f"{again}\0{half}\0"
    assert mmsearch("duplicates", "--match", "exact", "--copies").stdout == f"{again}\n"

    (group,) = json.loads(mmsearch("duplicates", "--json").stdout)["groups"]
    assert (group["best"]["path"], group["reason"]) == (str(first), "oldest of the largest")
    assert [copy["match"] for copy in group["copies"]] == ["exact", "near"]


def test_what_is_gone_is_left_out_and_told(mmsearch, photos: Path) -> None:
    indexed(photos)
    (photos / "again.jpg").unlink()
    (photos / "half.png").unlink()

    done = mmsearch("duplicates")

    assert done.stdout == ""
    assert "No duplicates." in done.stderr
    assert "it is no longer there" in done.stderr


def test_a_query_lists_copies_under_the_hit(mmsearch, photos: Path) -> None:
    indexed(photos)

    assert "and 2 copies" in mmsearch("query", "a red photo", "--all").stdout
    found = json.loads(mmsearch("query", "a red photo", "--all", "--json").stdout)["hits"]
    assert sorted(len(hit["copies"]) for hit in found) == [0, 2]
    assert len(mmsearch("query", "a red photo", "--all", "--no-fold").stdout.splitlines()) == 5


def test_all_that_is_left_out_can_be_listed(mmsearch, photos: Path) -> None:
    for seed in range(10, 21):
        save(scene(seed), photos / f"{seed}.jpg")
    indexed(photos)
    for seed in range(10, 21):
        (photos / f"{seed}.jpg").unlink()

    assert "and 1 more: see --json" in mmsearch("duplicates").stderr
    assert len(json.loads(mmsearch("duplicates", "--json").stdout)["left_out"]) == 11


def test_progress_counts_what_is_being_done(capsys: pytest.CaptureFixture[str]) -> None:
    from mmsearch.cli.output import progress_bar

    with progress_bar("comparing", " photos") as progress:
        progress(3, 3)  # fingerprints that were taken
        progress(20, 20)

    assert "20/20" in capsys.readouterr().err
