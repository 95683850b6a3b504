from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from mmsearch.errors import UnreadableFileError
from mmsearch.media.files import content_hash, read_bytes


def test_reads_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"\x00\r\n\xff")
    assert read_bytes(path) == b"\x00\r\n\xff"


def test_reasons_are_words(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "loop").symlink_to("loop")
    reasons = {
        "empty.jpg": "the file is empty",
        "gone.jpg": "it is no longer there",
        "empty.jpg/a.jpg": "it is no longer there",
        "loop": "its symbolic links lead back to themselves",
        "x" * 300: "the path is too long for this system",
        ".": "it is a folder",
        "a\0b": "no file can have this path",
    }
    for name, reason in reasons.items():
        with pytest.raises(UnreadableFileError) as caught:
            read_bytes(tmp_path / name)
        assert str(caught.value) == reason


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX permissions")
def test_no_permission(
    open_folder: Path, unprivileged: Callable[[], AbstractContextManager[None]]
) -> None:
    path = open_folder / "locked.jpg"
    path.write_bytes(b"x")
    path.chmod(0)
    with unprivileged(), pytest.raises(UnreadableFileError, match="no permission"):
        read_bytes(path)


def test_content_hash_names_content() -> None:
    assert content_hash(b"abc") == content_hash(bytes([97, 98, 99]))
    assert content_hash(b"abc") != content_hash(b"abd")
    assert content_hash(b"abc") == "384264f676f39536840523f284921cdc68b6846b"
