"""Finds the photos, recordings, videos and texts of a source, each with its companions."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from mmsearch.errors import SourceNotFoundError, UnsupportedFormatError
from mmsearch.media.companions import COMPANION_SUFFIXES, Companion, match_companions
from mmsearch.media.exclude import Excluder
from mmsearch.media.files import changed_ns, os_reason
from mmsearch.media.formats import MEDIA_KINDS, MediaKind, kind_of, suffix_of

SYSTEM_FOLDERS = frozenset(
    (
        "$recycle.bin", "recycler", "recycled", "system volume information",  # Windows
        "__macosx", "lost+found",  # archives made on macOS; Linux file systems
        "@eadir", "#recycle", "#snapshot", "@tmp", "@recycle", "@recently-snapshot",  # NAS systems
        "node_modules", "__pycache__",
    )
)  # fmt: skip
"""Names of folders that hold no media of the user's; lower case."""

_PREVIEW_SUFFIXES = (".lrdata", ".cocache")
_LIBRARY_SUFFIXES = (".photoslibrary", ".photolibrary", ".migratedphotolibrary", ".aplibrary")
_LIBRARY_ORIGINALS = frozenset(("originals", "masters"))

_HIDDEN_ATTRIBUTES = stat.FILE_ATTRIBUTE_HIDDEN | stat.FILE_ATTRIBUTE_SYSTEM  # Windows
_GONE = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP))  # vanished, or a dangling link
_HAS_HIDDEN_FLAG = os.name == "nt" or hasattr(os.stat_result, "st_flags")


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A photo, recording, video or text that was found.

    Attributes:
        path: relative to the source, with ``/`` on every platform; ``.`` where the source is the
            file itself. Bytes that are not UTF-8 are kept as surrogates, as ``os.fsdecode`` does.
        size: bytes.
        mtime_ns: time of the last change, nanoseconds since 1970.
        kind: what it is, by its name.
        companions: the files beside it that speak of it, those that take precedence first; see
            :func:`~mmsearch.media.companions.match_companions`.
    """

    path: str
    size: int
    mtime_ns: int
    kind: MediaKind
    companions: tuple[Companion, ...] = ()


@dataclass(frozen=True, slots=True)
class OtherFile:
    """A file that is neither an asset nor a companion; ``path`` as in :class:`FoundFile`."""

    path: str


@dataclass(frozen=True, slots=True)
class UnreadableFolder:
    """A folder that could not be listed, wholly or in part: it may hold media.

    Attributes:
        path: as in :class:`FoundFile`; ``.`` for the source itself.
        reason: in words.
    """

    path: str
    reason: str


Found: TypeAlias = FoundFile | OtherFile | UnreadableFolder


def discover(root: Path, *, exclude: Sequence[str] = (), within: str = "") -> Iterator[Found]:
    """Finds the media of a source, in an order that only depends on the names.

    A ``.txt`` file is a text of its own only where it is no companion; Markdown always is one.

    Hidden and system files and folders are skipped, but for ``root`` itself. Symbolic links are
    followed; a folder that can be reached in several ways is visited once, under its own path
    rather than a link's. Dangling links and files that vanish meanwhile are skipped.

    Args:
        root: a folder, or a single photo, recording, video or text.
        exclude: patterns of files and folders to skip, as
            :class:`~mmsearch.media.exclude.Excluder` reads them.
        within: where ``root`` is only a part of the source that the patterns speak of, its path in
            the source.

    Returns:
        Media, other files and unreadable folders, folder by folder, found while iterating.

    Raises:
        SourceNotFoundError: ``root`` is not there or cannot be reached.
        UnsupportedFormatError: ``root`` is a single file of another kind.
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
    kind = kind_of(root.name)
    if not stat.S_ISREG(status.st_mode) or kind is None:
        raise UnsupportedFormatError(
            f"{root} is neither a folder nor a photo, recording, video or text of a known format"
        )
    return iter((_single(root, status, kind, excluder),))


def _single(root: Path, status: os.stat_result, kind: MediaKind, excluder: Excluder) -> FoundFile:
    """A source that is one file; its companions lie outside of the source, beside it."""
    found = FoundFile(root.name, status.st_size, changed_ns(status), kind)
    if kind is MediaKind.TEXT:
        return replace(found, path=".")
    listing = _Listing("", "", media=[found])
    try:
        with os.scandir(root.parent) as entries:
            for entry in entries:
                if (
                    suffix_of(entry.name) in COMPANION_SUFFIXES
                    and not entry.name.startswith(".")
                    and entry.name != root.name
                    and not excluder.excludes(entry.name, is_folder=False)
                    and entry.is_file()
                ):
                    listing.beside.append(entry)
    except OSError:
        pass  # a folder that may be entered but not listed: the file itself can be read
    listing.match()
    return replace(listing.media[0], path=".")


@dataclass(slots=True)
class _Listing:
    """What one folder holds; ``beside`` are files that may be companions."""

    folder: str
    prefix: str
    media: list[FoundFile] = field(default_factory=list)
    beside: list[os.DirEntry[str]] = field(default_factory=list)
    others: list[OtherFile] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    unreadable: list[UnreadableFolder] = field(default_factory=list)

    def add_file(self, entry: os.DirEntry[str], status: os.stat_result, kind: MediaKind) -> None:
        if not (_HAS_HIDDEN_FLAG and is_hidden(status)):
            path = self.prefix + entry.name
            self.media.append(FoundFile(path, status.st_size, changed_ns(status), kind))

    def match(self) -> list[os.DirEntry[str]]:
        """Gives each medium its companions; returns the files that are nobody's."""
        if not self.beside:
            return []
        skip = len(self.prefix)
        matches = match_companions(
            ((found.path[skip:], found.kind) for found in self.media),
            (entry.name for entry in self.beside),
        )
        taken = {name for names in matches.values() for name in names}
        companions = {e.name: self._companion(e) for e in self.beside if e.name in taken}
        for position, found in enumerate(self.media):
            if names := matches.get(found.path[skip:]):
                own = tuple(c for name in names if (c := companions[name]) is not None)
                self.media[position] = replace(found, companions=own)
        return [entry for entry in self.beside if entry.name not in taken]

    def _companion(self, entry: os.DirEntry[str]) -> Companion | None:
        try:
            status = entry.stat()
        except OSError as error:
            self.report(self.folder, error)
            return None
        if _HAS_HIDDEN_FLAG and is_hidden(status):
            return None
        return Companion(self.prefix + entry.name, status.st_size, changed_ns(status))

    def add_alone(self, entry: os.DirEntry[str]) -> None:
        """Adds what might have been a companion and is none: a text, or another file."""
        kind = kind_of(entry.name)
        if kind is None:
            self.others.append(OtherFile(self.prefix + entry.name))
            return
        try:
            self.add_file(entry, entry.stat(), kind)
        except OSError as error:
            self.report(self.folder, error)

    def report(self, folder: str, error: OSError) -> None:
        """Notes that media may be missing; what vanished or dangles is not missing."""
        if error.errno in _GONE:
            return
        trouble = UnreadableFolder(folder or ".", os_reason(error))
        if trouble not in self.unreadable:
            self.unreadable.append(trouble)


class _Walk:
    """One walk through a source.

    Linked folders wait until the real tree is done, so that a file which is in the source
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
        if not is_same:  # a drive was unplugged: its files are not deleted
            yield UnreadableFolder(".", "it is no longer there")

    def _walk_from(self, start: str) -> Iterator[Found]:
        """Visits a folder and all below it but for linked folders."""
        stack = [start]
        while stack:
            listing = self._list(stack.pop())
            yield from listing.media
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
                    suffix = name[dot:].lower() if dot > 0 else ""
                    kind = MEDIA_KINDS.get(suffix)
                    if kind is None or suffix in COMPANION_SUFFIXES:
                        self._add_other(entry, listing, suffix)
                    else:
                        self._add_media(entry, listing, kind)
        except OSError as error:
            listing.report(folder, error)
        for entry in listing.match():
            listing.add_alone(entry)
        listing.media.sort(key=_path_of)
        listing.others.sort(key=_path_of)
        listing.unreadable.sort(key=_path_of)
        listing.folders.sort()
        return listing

    def _add_media(self, entry: os.DirEntry[str], listing: _Listing, kind: MediaKind) -> None:
        path = listing.prefix + entry.name
        if self._excluder.excludes(path, is_folder=False):
            return
        try:
            status = entry.stat()
        except OSError as error:
            listing.report(listing.folder, error)
            return
        if stat.S_ISREG(status.st_mode):
            listing.add_file(entry, status, kind)
        elif stat.S_ISDIR(status.st_mode):  # somebody named a folder "trip.jpg"
            self._add_folder(entry, listing)

    def _add_other(self, entry: os.DirEntry[str], listing: _Listing, suffix: str) -> None:
        """Adds what has no medium's name: a folder, a possible companion, or another file."""
        path = listing.prefix + entry.name
        try:
            is_folder = entry.is_dir()
            if not is_folder and entry.is_file():
                if self._excluder.excludes(path, is_folder=False):
                    return
                if suffix in COMPANION_SUFFIXES:
                    listing.beside.append(entry)
                else:
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
