"""What watching decides without waiting: where to look, and when a file is quiet."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from mmsearch.catalog.records import Source
from mmsearch.ingest.changed import changed_scopes
from mmsearch.ingest.drives import is_remote, is_remote_kind
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
    shutil.rmtree(root)
    assert looked_at("a/b/photo.png") == []


def test_a_touched_file_is_due_when_it_has_been_quiet(tmp_path: Path) -> None:
    touched = Touched(settle=0.2)
    one, two = tmp_path / "one", tmp_path / "two"
    touched.add([one])
    touched.look_at([two])
    assert touched.due() == [two]
    assert touched.is_busy(one, 0)
    assert not touched.is_busy(two, 0)
    assert touched.is_busy(two, time.time_ns())  # as the file itself says
    assert not touched.is_busy(tmp_path / "future", time.time_ns() + 10**12)
    time.sleep(0.25)
    assert touched.due() == [one, two]
    assert touched.due() == []


def test_network_drives_are_told_from_others(tmp_path: Path) -> None:
    for kind in ("nfs4", "cifs", "smb3", "fuse.sshfs", "fuse.rclone", "9p"):
        assert is_remote_kind(kind)
    for kind in ("ext4", "btrfs", "xfs", "tmpfs", "fuseblk", "overlay", "vfat"):
        assert not is_remote_kind(kind)
    assert not is_remote(tmp_path)
    assert not is_remote(tmp_path / "nothing" / os.fsdecode(b"\xff"))
