"""Tells drives whose changes the system does not report: those of other computers."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TypeAlias

Identity: TypeAlias = tuple[int, int] | str
"""Tells a folder or file from another one under the same name."""

_MOUNTS = Path("/proc/self/mounts")
_REMOTE = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "glusterfs", "9p"),
        *("davfs", "davfs2", "vboxsf", "vmhgfs", "drvfs", "prl_fs", "virtiofs", "lustre"),
    )
)
_ESCAPES = {"\\040": " ", "\\011": "\t", "\\012": "\n", "\\134": "\\"}


def is_remote(path: Path) -> bool:
    """Whether a path lies on a network drive, as far as the system says.

    Linux says it of every drive; on Windows a path that begins with a server's name is remote. On
    other systems nothing is known, and false is returned.
    """
    if sys.platform == "win32":
        return path.drive.startswith("\\\\")
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        real = path.resolve()
    except OSError:
        return False
    kinds: dict[Path, str] = {}
    for line in lines:
        fields = line.split(" ")
        if len(fields) > 2:  # of mounts at one place, the last one is seen
            kinds[Path(_unescaped(fields[1]))] = fields[2]
    for place in (real, *real.parents):
        if place in kinds:
            return is_remote_kind(kinds[place])
    return False


def is_remote_kind(kind: str) -> bool:
    """Whether a file system of this name, as Linux calls it, is another computer's.

    What runs in user space (``fuse.sshfs``) counts: hardly any of it tells of changes elsewhere.
    """
    local = ("fuseblk", "fuse.fuse-overlayfs", "fuse.mergerfs", "fuse.bindfs", "fuse.gocryptfs")
    return kind in _REMOTE or (kind.startswith("fuse.") and kind not in local)


def identity(path: Path) -> Identity | None:
    """Tells a folder or file from another one under its name; None where there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(path)


def _unescaped(field: str) -> str:
    for escape, char in _ESCAPES.items():
        field = field.replace(escape, char)
    return field
