from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mmsearch.errors import SourceNotFoundError, UnsupportedFormatError
from mmsearch.media.companions import Companion
from mmsearch.media.discover import (
    FoundFile,
    OtherFile,
    UnreadableFolder,
    discover,
    is_hidden,
    is_system_folder,
)
from mmsearch.media.formats import MediaKind

posix_only = pytest.mark.skipif(os.name == "nt", reason="needs POSIX file systems")


def plant(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"photo")


def paths(root: Path, **options: Any) -> list[str]:
    """Media and unreadable folders; other files have a test of their own."""
    everything = discover(root, **options)
    return [found.path for found in everything if not isinstance(found, OtherFile)]


def test_finds_photos_in_order_with_size_and_time(tmp_path: Path) -> None:
    plant(tmp_path, "b.JPG", "a.png", "z/1.heic", "m/2.CR2", "m/deep/3.webp", "readme", "jpg")
    os.utime(tmp_path / "a.png", ns=(0, 1_234_567_891_000_000_000))
    photo = FoundFile("a.png", 5, 1_234_567_891_000_000_000, MediaKind.PHOTO)
    assert next(discover(tmp_path)) == photo
    assert paths(tmp_path) == ["a.png", "b.JPG", "m/2.CR2", "m/deep/3.webp", "z/1.heic"]


def test_names_other_files_but_hidden_and_excluded_ones(tmp_path: Path) -> None:
    plant(tmp_path, "a.jpg", "b.zip", "notes", ".hidden.json", "x/c.json", "x/d.tmp", "y/e.zip")
    everything = discover(tmp_path, exclude=["*.tmp", "y/"])
    others = [found.path for found in everything if isinstance(found, OtherFile)]
    assert others == ["b.zip", "notes", "x/c.json"]


def test_finds_every_kind_of_media(tmp_path: Path) -> None:
    plant(tmp_path, "a.jpg", "b.Mp3", "c.mkv", "d.md", "e.txt", "requirements.txt", "f.json")
    found = [(file.path, file.kind) for file in discover(tmp_path) if isinstance(file, FoundFile)]
    assert found == [
        ("a.jpg", MediaKind.PHOTO),
        ("b.Mp3", MediaKind.RECORDING),
        ("c.mkv", MediaKind.VIDEO),
        ("d.md", MediaKind.TEXT),
        ("e.txt", MediaKind.TEXT),
        ("requirements.txt", MediaKind.TEXT),
    ]


def companions(root: Path, **options: Any) -> dict[str, list[str]]:
    return {
        found.path: [companion.path for companion in found.companions]
        for found in discover(root, **options)
        if isinstance(found, FoundFile)
    }


def test_companions_are_no_assets_of_their_own(tmp_path: Path) -> None:
    plant(tmp_path, "x/a.jpg", "x/a.txt", "x/a.md", "x/b.txt", "a.txt", "x/a.xmp", "x/b.xmp")
    os.utime(tmp_path / "x/a.txt", ns=(0, 1_234_567_891_000_000_000))
    found = list(discover(tmp_path))
    assert [file.path for file in found] == ["a.txt", "x/a.jpg", "x/a.md", "x/b.txt", "x/b.xmp"]
    assert isinstance(found[-1], OtherFile)
    photo = found[1]
    assert isinstance(photo, FoundFile)
    assert photo.companions[0] == Companion("x/a.txt", 5, 1_234_567_891_000_000_000)
    assert [companion.path for companion in photo.companions] == ["x/a.txt", "x/a.xmp"]


def test_hidden_and_excluded_files_are_no_companions(tmp_path: Path) -> None:
    plant(tmp_path, "a.jpg", ".a.jpg.txt", "a.json", "a.txt")
    assert companions(tmp_path, exclude=["*.json"]) == {"a.jpg": ["a.txt"]}
    assert companions(tmp_path / "a.jpg", exclude=["*.json"]) == {".": ["a.txt"]}


@posix_only
def test_companions_that_dangle_or_are_folders_are_skipped(tmp_path: Path) -> None:
    plant(tmp_path, "a.jpg", "a.txt/b.jpg", "b.jpg")
    (tmp_path / "a.xmp").symlink_to(tmp_path / "none")
    (tmp_path / "b.xmp").symlink_to(tmp_path / "a.jpg")
    assert companions(tmp_path) == {"a.jpg": [], "b.jpg": ["b.xmp"], "a.txt/b.jpg": []}


def test_skips_hidden_and_system_folders_but_not_a_hidden_root(tmp_path: Path) -> None:
    root = tmp_path / ".photos"
    plant(
        root,
        "a.jpg",
        ".hidden.jpg",
        "._a.jpg",
        ".thumbs/a.jpg",
        "$RECYCLE.BIN/a.jpg",
        "x/@eaDir/a.jpg",
        "lost+found/a.jpg",
        "__MACOSX/a.jpg",
        "Lightroom Smart Previews.lrdata/a.dng",
        "My.photoslibrary/originals/0/a.jpg",
        "My.photoslibrary/resources/derivatives/a.jpg",
    )
    assert paths(root) == ["a.jpg", "My.photoslibrary/originals/0/a.jpg"]


def test_photo_library_as_root(tmp_path: Path) -> None:
    plant(tmp_path / "My.photoslibrary", "originals/a.jpg", "resources/a.jpg")
    assert paths(tmp_path / "My.photoslibrary") == ["originals/a.jpg"]


@pytest.mark.parametrize(
    ("status", "hidden"),
    [
        ({}, False),
        ({"st_file_attributes": 0x20}, False),
        ({"st_file_attributes": 0x22}, True),
        ({"st_file_attributes": 0x24}, True),
        ({"st_flags": 0x8000}, True),
        ({"st_flags": 0}, False),
    ],
)
def test_hidden_flags_of_windows_and_macos(status: dict[str, int], hidden: bool) -> None:
    assert is_hidden(SimpleNamespace(**status)) is hidden  # type: ignore[arg-type]


def test_system_folders_in_any_case() -> None:
    assert is_system_folder("/photos/System Volume Information")
    assert is_system_folder("#RECYCLE")
    assert not is_system_folder("/photos/originals")


def test_an_index_next_to_photos_is_entered(tmp_path: Path) -> None:
    plant(tmp_path, "photos.mmsearch/catalog.sqlite", "photos.mmsearch/media/a.jpg")
    assert paths(tmp_path) == ["photos.mmsearch/media/a.jpg"]


def test_excluded_folders_are_not_entered(tmp_path: Path) -> None:
    plant(tmp_path, "a.jpg", "b.gif", "private/c.jpg", "x/private/d.jpg", "x/e.jpg", "2019/f.jpg")
    assert paths(tmp_path, exclude=["private/", "*.GIF", "/2019"]) == ["a.jpg", "x/e.jpg"]


def test_a_folder_with_a_photo_suffix_is_a_folder(tmp_path: Path) -> None:
    plant(tmp_path, "trip.jpg/a.jpg")
    assert paths(tmp_path) == ["trip.jpg/a.jpg"]


@posix_only
def test_links_are_followed_once(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    plant(root, "z/a.jpg")
    plant(outside, "o.jpg", "sub/p.jpg")
    (root / "a-link").symlink_to(root / "z")  # reachable under its own path
    (root / "b-link").symlink_to(outside)
    (root / "c-link").symlink_to(outside)
    (root / "d-link").symlink_to(outside / "sub")
    (root / "file-link.jpg").symlink_to(outside / "o.jpg")
    (root / "dangling.jpg").symlink_to(outside / "none.jpg")
    (root / "dangling").symlink_to(outside / "none")
    assert paths(root) == ["file-link.jpg", "z/a.jpg", "b-link/o.jpg", "b-link/sub/p.jpg"]


@posix_only
def test_loops_end(tmp_path: Path) -> None:
    plant(tmp_path, "a/b/x.jpg")
    (tmp_path / "a/b/up").symlink_to(tmp_path)
    (tmp_path / "a/self").symlink_to(tmp_path / "a/self")
    (tmp_path / "a/ping.jpg").symlink_to(tmp_path / "a/pong.jpg")
    (tmp_path / "a/pong.jpg").symlink_to(tmp_path / "a/ping.jpg")
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    plant(outside, "y.jpg")
    (outside / "back").symlink_to(tmp_path)
    (tmp_path / "out").symlink_to(outside)
    assert paths(tmp_path) == ["a/b/x.jpg", "out/y.jpg"]


@posix_only
def test_hidden_target_is_reached_by_a_visible_link(tmp_path: Path) -> None:
    plant(tmp_path, ".store/a.jpg")
    (tmp_path / "album").symlink_to(tmp_path / ".store")
    assert paths(tmp_path) == ["album/a.jpg"]


@pytest.mark.skipif(sys.platform != "linux", reason="file systems elsewhere want valid Unicode")
def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    plant(tmp_path, os.fsdecode(b"\xff\xfe/caf\xe9.jpg"))
    (found,) = discover(tmp_path)
    assert found.path == "\udcff\udcfe/caf\udce9.jpg"
    assert (tmp_path / found.path).read_bytes() == b"photo"
    assert paths(tmp_path, exclude=["caf?.jpg"]) == []


@posix_only
def test_special_files_are_skipped(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert paths(tmp_path) == []


@posix_only
def test_a_path_that_is_too_long_is_reported(tmp_path: Path) -> None:
    plant(tmp_path, "a.jpg")
    name = "d" * 200
    here = os.open(tmp_path, os.O_RDONLY)
    try:  # relative to open folders, so that the limit of a path does not bind
        for _ in range(25):
            os.mkdir(name, dir_fd=here)
            deeper = os.open(name, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = deeper
        *_, last = found = list(discover(tmp_path))
    finally:
        os.close(here)
    assert found[0].path == "a.jpg"
    assert isinstance(last, UnreadableFolder)
    assert last.reason == "the path is too long for this system"


@posix_only
def test_folders_without_permission_are_reported(
    open_folder: Path, unprivileged: Callable[[], AbstractContextManager[None]]
) -> None:
    root = open_folder
    plant(root, "a.jpg", "closed/b.jpg", "names-only/c.jpg", "open/d.jpg", "open/e.jpg")
    (root / "link").symlink_to(root / "closed" / "b.jpg")
    (root / "closed").chmod(0)
    (root / "names-only").chmod(0o444)
    with unprivileged():
        found = list(discover(root))
    for folder in ("closed", "names-only"):
        (root / folder).chmod(0o755)
    reason = "no permission to read it"
    assert found == [
        FoundFile("a.jpg", 5, found[0].mtime_ns, MediaKind.PHOTO),  # type: ignore[union-attr]
        UnreadableFolder("link", reason),
        UnreadableFolder("closed", reason),
        UnreadableFolder("names-only", reason),
        FoundFile("open/d.jpg", 5, found[4].mtime_ns, MediaKind.PHOTO),  # type: ignore[union-attr]
        FoundFile("open/e.jpg", 5, found[5].mtime_ns, MediaKind.PHOTO),  # type: ignore[union-attr]
    ]


def test_what_vanishes_during_the_walk_is_skipped(tmp_path: Path) -> None:
    plant(tmp_path, "a/1.jpg", "b/2.jpg", "c/3.jpg", "c/d/4.jpg")
    walk = discover(tmp_path)
    assert next(walk).path == "a/1.jpg"
    shutil.rmtree(tmp_path / "b")
    (tmp_path / "c/3.jpg").unlink()
    assert [found.path for found in walk] == ["c/d/4.jpg"]


def test_a_root_that_vanishes_is_reported(tmp_path: Path) -> None:
    root = tmp_path / "drive"
    plant(root, "a/1.jpg", "b/2.jpg")
    walk = discover(root)
    next(walk)
    root.rename(tmp_path / "unplugged")
    assert list(walk) == [UnreadableFolder(".", "it is no longer there")]


def test_single_file(tmp_path: Path) -> None:
    plant(tmp_path, "a.jpg", "a.jpg.txt", "notes.txt", "notes.zip")
    (found,) = discover(tmp_path / "a.jpg", exclude=["*.jpg"])
    assert isinstance(found, FoundFile)
    assert (found.path, found.size, found.kind) == (".", 5, MediaKind.PHOTO)
    assert [companion.path for companion in found.companions] == ["a.jpg.txt"]
    assert companions(tmp_path / "notes.txt") == {".": []}
    assert companions(tmp_path / "a.jpg.txt") == {".": []}
    with pytest.raises(UnsupportedFormatError, match=r"notes\.zip is neither a folder nor a photo"):
        discover(tmp_path / "notes.zip")


@pytest.mark.parametrize("name", ["none", "a.jpg/none", "nul\0"])
def test_root_that_is_not_there(tmp_path: Path, name: str) -> None:
    plant(tmp_path, "a.jpg")
    with pytest.raises(SourceNotFoundError):
        discover(tmp_path / name)
