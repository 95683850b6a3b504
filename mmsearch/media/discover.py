"""Finds the photos of a source."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from mmsearch.errors import SourceNotFoundError, UnsupportedFormatError
from mmsearch.media.exclude import Excluder
from mmsearch.media.files import os_reason
from mmsearch.media.formats import PHOTO_SUFFIXES, is_photo

SYSTEM_FOLDERS = frozenset(
    (
        "$recycle.bin", "recycler", "recycled", "system volume information",  # Windows
        "__macosx", "lost+found",  # archives made on macOS; Linux file systems
        "@eadir", "#recycle", "#snapshot", "@tmp", "@recycle", "@recently-snapshot",  # NAS systems
        "node_modules", "__pycache__",
    )
)  # fmt: skip
"""Names of folders that hold no photos of the user's; lower case."""

_PREVIEW_SUFFIXES = (".lrdata", ".cocache")
_LIBRARY_SUFFIXES = (".photoslibrary", ".photolibrary", ".migratedphotolibrary", ".aplibrary")
_LIBRARY_ORIGINALS = frozenset(("originals", "masters"))

_HIDDEN_ATTRIBUTES = stat.FILE_ATTRIBUTE_HIDDEN | stat.FILE_ATTRIBUTE_SYSTEM  # Windows
_GONE = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP))  # vanished, or a dangling link
_HAS_HIDDEN_FLAG = os.name == "nt" or hasattr(os.stat_result, "st_flags")


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A photo that was found.

    Attributes:
        path: relative to the source, with ``/`` on every platform; ``.`` where the source is the
            file itself. Bytes that are not UTF-8 are kept as surrogates, as ``os.fsdecode`` does.
        size: bytes.
        mtime_ns: time of the last change, nanoseconds since 1970.
    """

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class OtherFile:
    """A file that is no photo of a known format; ``path`` as in :class:`FoundFile`."""

    path: str


@dataclass(frozen=True, slots=True)
class UnreadableFolder:
    """A folder that could not be listed, wholly or in part: it may hold photos.

    Attributes:
        path: as in :class:`FoundFile`; ``.`` for the source itself.
        reason: in words.
    """

    path: str
    reason: str


Found: TypeAlias = FoundFile | OtherFile | UnreadableFolder


def discover(root: Path, *, exclude: Sequence[str] = (), within: str = "") -> Iterator[Found]:
    """Finds the photos of a source, in an order that only depends on the names.

    Hidden and system files and folders are skipped, but for ``root`` itself. Symbolic links are
    followed; a folder that can be reached in several ways is visited once, under its own path
    rather than a link's. Dangling links and files that vanish meanwhile are skipped.

    Args:
        root: a folder, or a single photo.
        exclude: patterns of files and folders to skip, as
            :class:`~mmsearch.media.exclude.Excluder` reads them.
        within: where ``root`` is only a part of the source that the patterns speak of, its path in
            the source.

    Returns:
        Photos, other files and unreadable folders, folder by folder, found while iterating.

    Raises:
        SourceNotFoundError: ``root`` is not there or cannot be reached.
        UnsupportedFormatError: ``root`` is a single file, but not a photo.
        SettingsError: a pattern names nothing.
    """
    excluder = Excluder(exclude, within=within)
    try:
        status = root.stat()
    except OSError as error:
        reason = "is not there" if error.errno in _GONE else f"cannot be used: {os_reason(error)}"
        raise SourceNotFoundError(f"{root} {reason}") from error
    except ValueError as error:
        raise SourceNotFoundError(f"{root!r} cannot be a path") from error
    if stat.S_ISDIR(status.st_mode):
        return _Walk(os.fspath(root), excluder).run(status)
    if not stat.S_ISREG(status.st_mode) or not is_photo(root.name):
        raise UnsupportedFormatError(f"{root} is neither a folder nor a photo of a known format")
    return iter((FoundFile(".", status.st_size, status.st_mtime_ns),))


@dataclass(slots=True)
class _Listing:
    """What one folder holds."""

    folder: str
    prefix: str
    photos: list[FoundFile] = field(default_factory=list)
    others: list[OtherFile] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    unreadable: list[UnreadableFolder] = field(default_factory=list)

    def report(self, folder: str, error: OSError) -> None:
        """Notes that photos may be missing; what vanished or dangles is not missing."""
        if error.errno in _GONE:
            return
        trouble = UnreadableFolder(folder or ".", os_reason(error))
        if trouble not in self.unreadable:
            self.unreadable.append(trouble)


class _Walk:
    """One walk through a source.

    Linked folders wait until the real tree is done, so that a photo which is in the source
    anyway keeps its own path.
    """

    def __init__(self, root: str, excluder: Excluder) -> None:
        self._root = root
        self._excluder = excluder
        self._visited: set[tuple[int, int] | str] = set()
        self._links: list[str] = []

    def run(self, status: os.stat_result) -> Iterator[Found]:
        root_identity = _identity(self._root, status)
        self._visited.add(root_identity)
        yield from self._walk_from("")
        while self._links:
            waiting, self._links = sorted(self._links), []
            for link in waiting:
                if self._enter(link):
                    yield from self._walk_from(link)
        try:
            is_same = _identity(self._root, os.stat(self._root)) == root_identity  # noqa: PTH116
        except OSError:
            is_same = False
        if not is_same:  # a drive was unplugged: its photos are not deleted
            yield UnreadableFolder(".", "it is no longer there")

    def _walk_from(self, start: str) -> Iterator[Found]:
        """Visits a folder and all below it but for linked folders."""
        stack = [start]
        while stack:
            listing = self._list(stack.pop())
            yield from listing.photos
            yield from listing.others
            yield from listing.unreadable
            stack.extend(path for path in reversed(listing.folders) if self._enter(path))

    def _list(self, folder: str) -> _Listing:
        """Lists one folder in order, as far as it can be read."""
        listing = _Listing(folder, f"{folder}/" if folder else "")
        try:
            with os.scandir(self._absolute(folder)) as entries:
                for entry in entries:
                    name = entry.name
                    dot = name.rfind(".")
                    if name[0] == ".":
                        continue
                    if dot > 0 and name[dot:].lower() in PHOTO_SUFFIXES:
                        self._add_photo(entry, listing)
                    else:
                        self._add_other(entry, listing)
        except OSError as error:
            listing.report(folder, error)
        listing.photos.sort(key=_path_of)
        listing.others.sort(key=_path_of)
        listing.unreadable.sort(key=_path_of)
        listing.folders.sort()
        return listing

    def _add_photo(self, entry: os.DirEntry[str], listing: _Listing) -> None:
        path = listing.prefix + entry.name
        if self._excluder.excludes(path, is_folder=False):
            return
        try:
            status = entry.stat()
        except OSError as error:
            listing.report(listing.folder, error)
            return
        if stat.S_ISREG(status.st_mode):
            if not (_HAS_HIDDEN_FLAG and is_hidden(status)):
                listing.photos.append(FoundFile(path, status.st_size, status.st_mtime_ns))
        elif stat.S_ISDIR(status.st_mode):  # somebody named a folder "trip.jpg"
            self._add_folder(entry, listing)

    def _add_other(self, entry: os.DirEntry[str], listing: _Listing) -> None:
        """Adds what has no photo's name: a folder, or a file of another kind."""
        path = listing.prefix + entry.name
        try:
            is_folder = entry.is_dir()
            if not is_folder and entry.is_file():
                if not self._excluder.excludes(path, is_folder=False):
                    listing.others.append(OtherFile(path))
                return
        except OSError as error:
            listing.report(path, error)
            return
        if is_folder:
            self._add_folder(entry, listing)

    def _add_folder(self, entry: os.DirEntry[str], listing: _Listing) -> None:
        path = listing.prefix + entry.name
        if is_system_folder(entry.path):
            return
        if not self._excluder.excludes(path, is_folder=True):
            (self._links if _is_link(entry) else listing.folders).append(path)

    def _enter(self, folder: str) -> bool:
        """Whether to visit a folder: it is there, not hidden, and was not visited before."""
        path = self._absolute(folder)
        try:
            status = os.stat(path)  # noqa: PTH116 (no Path for each of many folders)
        except OSError as error:
            return error.errno not in _GONE  # listing it will say why
        identity = _identity(path, status)
        if is_hidden(status) or identity in self._visited:
            return False
        self._visited.add(identity)
        return True

    def _absolute(self, folder: str) -> str:
        return os.path.join(self._root, *folder.split("/")) if folder else self._root  # noqa: PTH118 (likewise)


def is_hidden(status: os.stat_result) -> bool:
    """Whether Windows' hidden or system attribute, or macOS' hidden flag is set."""
    attributes = getattr(status, "st_file_attributes", 0)
    flags = getattr(status, "st_flags", 0)
    return bool(attributes & _HIDDEN_ATTRIBUTES or flags & stat.UF_HIDDEN)


def is_system_folder(path: str) -> bool:
    """Whether a folder holds what programs made: trash, previews, a photo library's thumbnails."""
    parent, name = os.path.split(path.lower())
    if name in SYSTEM_FOLDERS or name.endswith(_PREVIEW_SUFFIXES):
        return True
    return parent.endswith(_LIBRARY_SUFFIXES) and name not in _LIBRARY_ORIGINALS


def _identity(path: str, status: os.stat_result) -> tuple[int, int] | str:
    """The same for all paths of a folder; some file systems know no inode numbers."""
    return (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(path)


def _is_link(entry: os.DirEntry[str]) -> bool:
    is_junction = getattr(entry, "is_junction", None)  # Windows, from Python 3.12 on
    return entry.is_symlink() or bool(is_junction and is_junction())


def _path_of(found: Found) -> str:
    return found.path
