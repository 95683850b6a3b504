"""How the command line finds a server of the same user: a small file that only they can read.

The file lies in the user's runtime folder while the server runs. One that a server left behind,
because it was killed, is removed by whoever finds that its process is gone, or nobody answers.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from mmsearch import __version__

_SUFFIX = ".server.json"


@dataclass(frozen=True, slots=True)
class Served:
    """An index that a server serves.

    Attributes:
        path: the index directory, links resolved.
        name: that it is served under.
    """

    path: str
    name: str


@dataclass(frozen=True, slots=True)
class Presence:
    """A running server.

    Attributes:
        url: where it listens, ``http://ADDRESS:PORT``.
        secret: proves to it that the caller can read this file.
        token: what all callers must show; None for none.
        pid: its process.
        background: whether it was started in the background, and is ended by `mmsearch stop`.
        device: where it runs encoders, as ``--device`` says.
        max_megapixels: images that are larger are refused.
        indexes: what it serves.
        version: of mmsearch.
    """

    url: str
    secret: str
    token: str | None
    pid: int
    background: bool
    device: str
    max_megapixels: float
    indexes: tuple[Served, ...]
    version: str = __version__

    @property
    def file(self) -> Path:
        """Where this is written."""
        return runtime_folder() / f"{self.pid}{_SUFFIX}"

    def serves(self, path: str) -> bool:
        """Whether it serves the index at a path, and is of this version of mmsearch."""
        return self.version == __version__ and path in (one.path for one in self.indexes)

    def write(self) -> None:
        """Writes the file, whole or not at all.

        Raises:
            OSError: the runtime folder cannot be written to, or is open to others.
        """
        folder = runtime_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_ours(folder):
            raise PermissionError(0, "it is open to others", str(folder))
        unfinished = folder / f"{self.pid}.new"
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123
            json.dump(asdict(self), file, indent=2)
        unfinished.replace(self.file)

    def remove(self) -> None:
        """Removes the file, if it is there."""
        self.file.unlink(missing_ok=True)


def runtime_folder() -> Path:
    """The folder for files of running processes of this user."""
    if sys.platform in ("darwin", "win32"):
        from platformdirs import user_runtime_path

        return user_runtime_path("mmsearch", appauthor=False)
    # platformdirs warns where the variable is not set, as in a container or under sudo.
    if given := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(given, "mmsearch")
    return Path(os.environ.get("TMPDIR", "/tmp"), f"mmsearch-{os.getuid()}")


def running() -> Iterator[Presence]:
    """The servers that say they run; what cannot be trusted is left out."""
    folder = runtime_folder()
    if not folder.is_dir() or not _is_ours(folder):
        return
    for path in sorted(folder.glob(f"*{_SUFFIX}"), key=lambda path: (len(path.name), path.name)):
        found = _read(path)
        if found is not None and _has_ended(found.pid):
            path.unlink(missing_ok=True)
        elif found is not None:
            yield found


def _read(path: Path) -> Presence | None:
    try:
        if not _is_ours(path):
            return None
        values = json.loads(path.read_text(encoding="utf-8"))
        indexes = tuple(Served(one["path"], one["name"]) for one in values["indexes"])
        return Presence(**{**values, "indexes": indexes})
    except (OSError, ValueError, KeyError, TypeError):  # of another version, or gone this moment
        return None


def _has_ended(pid: int) -> bool:
    """Whether a process is gone; False where that cannot be told."""
    if os.name != "posix":  # there, asking so would end it
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError, TypeError):  # another user's by now, or no number at all
        return False
    return False


def _is_ours(path: Path) -> bool:
    """Whether nobody else can have made, changed or read a file; where that can be told."""
    if os.name != "posix":
        return True
    found = path.lstat()
    return (
        found.st_uid == os.getuid()
        and not stat.S_ISLNK(found.st_mode)
        and not (found.st_mode & 0o077)
    )
