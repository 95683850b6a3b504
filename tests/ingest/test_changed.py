"""What watching decides without waiting: where to look, and when a file is quiet."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import watchfiles
from watchfiles import Change

from mmsearch.catalog.records import Source
from mmsearch.ingest.changed import changed_scopes
from mmsearch.ingest.drives import is_remote, is_remote_kind
from mmsearch.ingest.events import Events
from mmsearch.ingest.touched import Touched
from mmsearch.testing import make_photo


def test_only_folders_that_a_walk_would_enter_are_looked_at(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("a/b", "ab", ".hidden", "private/x", "@eaDir", "full"):
        make_photo(root / name / "photo.png")
    (root / "empty").mkdir()
    (root / "link").symlink_to(root / "a")
    source = Source(1, root, exclude=("private",))

    def looked_at(*names: str) -> list[str]:
        return [scope.within for scope in changed_scopes([source], [root / name for name in names])]

    assert looked_at("a/b/photo.png") == ["a/b"]
    assert looked_at("a/b/photo.png", "a/gone.png", "ab/new.png") == ["a", "ab"]
    assert looked_at("photo.png", "a/b") == [""]
    assert looked_at("empty/gone.png", "full") == [""]  # an empty part looks like a missing drive
    assert looked_at("link/b/photo.png") == [""]
    assert looked_at(".hidden/x.png", "private/x/y.png", "@eaDir/z.png") == []
    assert looked_at("gone/deep/photo.png") == [""]
    assert changed_scopes([source], [tmp_path / "other"]) == []
    # What may not be asked raises an error of its own, as such a name does.
    assert looked_at("a/" + 300 * "x" + "/photo.png") == ["a"]
    far = Source(2, tmp_path / (300 * "x"))
    assert changed_scopes([far], [far.path / "photo.png"]) == []
    shutil.rmtree(root)
    assert looked_at("a/b/photo.png") == []


def test_a_touched_file_is_due_when_it_has_been_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=1000.0)
    clock.monotonic = clock.time = lambda: clock.now
    monkeypatch.setattr("mmsearch.ingest.touched.time", clock)
    touched = Touched(settle=0.2)
    one, two = tmp_path / "one", tmp_path / "two"
    touched.add([one])
    touched.look_at([two])
    assert touched.due() == [two]
    assert touched.is_busy(one, 0)
    assert not touched.is_busy(two, 0)
    assert touched.is_busy(two, int(999.9e9))  # as the file itself says
    assert not touched.is_busy(tmp_path / "future", 10**13)
    clock.now += 0.25
    assert touched.due() == [one, two]
    assert touched.due() == []


def test_a_system_that_reports_no_more_is_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def watch(*folders: Path, **options: object) -> Iterator[set[tuple[Change, str]]]:
        yield set()
        yield {(Change.added, str(tmp_path / (300 * "x")))}  # may not be asked
        raise RuntimeError("too many folders")

    monkeypatch.setattr(watchfiles, "watch", watch)
    stop = threading.Event()
    stop.set()
    events = Events(tmp_path / "index", stop)
    folders = {tmp_path: (1, 1)}
    assert events.listen(folders)
    assert events.folders == {tmp_path}
    with caplog.at_level(logging.WARNING, "mmsearch"):
        assert [events.wait() for _ in range(3)] == [set()] * 3
    assert events.folders == set()  # they are looked at from time to time
    assert not events.listen(folders)
    assert [record.message for record in caplog.records] == [
        "The system does not report changes (too many folders), so that they are looked for from "
        "time to time."
    ]


def test_network_drives_are_told_from_others(tmp_path: Path) -> None:
    for kind in ("nfs4", "cifs", "smb3", "fuse.sshfs", "fuse.rclone", "9p"):
        assert is_remote_kind(kind)
    for kind in ("ext4", "btrfs", "xfs", "tmpfs", "fuseblk", "overlay", "vfat"):
        assert not is_remote_kind(kind)
    assert not is_remote(tmp_path)
    assert not is_remote(tmp_path / "nothing" / os.fsdecode(b"\xff"))
