"""Lists what there is several times in a whole index. Nothing is ever deleted here.

Whoever acts on the list may delete what is in it. So it names only files that are there, unchanged
since they were compared, and each of them by one name: of two links to one file neither is a copy.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmsearch.catalog.looks import StoredFile, fingerprints_of, stored_files
from mmsearch.catalog.reader import CatalogReader
from mmsearch.index import IndexDirectory
from mmsearch.items import Duplicate, DuplicateGroup, Duplicates, Failure, Match
from mmsearch.media.files import changed_ns
from mmsearch.search.duplicates.find import find_groups
from mmsearch.search.duplicates.groups import Star, quality
from mmsearch.search.duplicates.kin import MATCHES, Kin, code_of
from mmsearch.search.folders import folders_matching

Progress: TypeAlias = Callable[[float, int], None]
"""Called with the photos that were compared, and all that there are."""


def list_duplicates(
    directory: IndexDirectory, *, match: Match, folder: Path | None, progress: Progress
) -> Duplicates:
    """Groups of files that are the same, the largest groups first.

    Args:
        directory: the index.
        match: how closely they must be.
        folder: only files in this folder and below.
        progress: told how far it is.

    Raises:
        QueryError: nothing is indexed in the folder.
    """
    with directory.reading() as reader:
        files, left_out = _present(_inside(reader, folder))
        if match is not Match.EXACT:
            files = _with_fingerprints(reader, files)
        embeddings = _embeddings(reader, files)
    kin = Kin([file.looks for file in files])
    total = len(kin.photos)
    progress(0, total)
    ranked = sorted(range(len(files)), key=lambda at: _rank(files[at]))
    found = find_groups(
        kin, ranked, embeddings, limit=code_of(match), seen=lambda done: progress(done, total)
    )
    progress(total, total)
    groups = sorted((_group(files, star) for star in found), key=lambda one: -len(one.copies))
    return Duplicates(tuple(groups), tuple(left_out))


def _inside(reader: CatalogReader, folder: Path | None) -> list[StoredFile]:
    """The files in a folder."""
    files = stored_files(reader)
    if folder is None:
        return files
    sources = reader.sources()
    roots = [sources[source] / path for source, path in folders_matching(reader, folder)]
    return [file for file in files if any(file.path.is_relative_to(root) for root in roots)]


def _present(files: Iterable[StoredFile]) -> tuple[list[StoredFile], list[Failure]]:
    """The files that are as they were when they were read, each once, and why others are not."""
    present: dict[tuple[int, ...], StoredFile] = {}
    left_out = []
    for file in files:
        try:
            state = file.path.stat()
        except (OSError, ValueError):
            left_out.append(Failure(file.path, "it is no longer there"))
            continue
        if (state.st_size, changed_ns(state)) != (file.size, file.looks.mtime_ns):
            left_out.append(Failure(file.path, "it has changed since it was indexed"))
            continue
        # Some file systems, on Windows, number no files: then only 0 is known of each.
        key = (state.st_dev, state.st_ino) if state.st_ino else (file.asset,)
        known = present.get(key)
        if known is None or (_is_link(known.path) and not _is_link(file.path)):
            present[key] = file
    return sorted(present.values(), key=lambda file: file.asset), left_out


def _is_link(path: Path) -> bool:
    """Whether the file's own name, or that of a folder above it, is a link."""
    return os.path.realpath(path) != str(path)


def _with_fingerprints(reader: CatalogReader, files: Sequence[StoredFile]) -> list[StoredFile]:
    prints = fingerprints_of(reader, [file.asset for file in files if file.image is not None])
    return [
        replace(file, looks=replace(file.looks, fingerprint=prints.get(file.asset)))
        for file in files
    ]


def _embeddings(reader: CatalogReader, files: Sequence[StoredFile]) -> NDArray[np.float16]:
    """Of each photo, float16, shape (files, dim); zeros for other files."""
    images = np.array([file.image or 0 for file in files], dtype=np.int64)
    found, vectors = reader.embeddings(images[images > 0])
    placed = np.zeros((len(files), vectors.shape[1]), dtype=np.float16)
    rows = np.flatnonzero(np.isin(images, found))
    placed[rows] = vectors[np.searchsorted(found, images[rows])]
    return placed


def _rank(file: StoredFile) -> tuple[int, int, int, int]:
    """Lower for better files; of equally old ones of one size, the one with the most bytes."""
    return (*quality(file.looks), -file.size, file.asset)


def _group(files: Sequence[StoredFile], star: Star) -> DuplicateGroup:
    best, *copies = [
        _duplicate(files[at], MATCHES[code - 1] if code else None) for at, code in star.items()
    ]
    return DuplicateGroup(best, _reason(best, copies), tuple(copies))


def _reason(best: Duplicate, copies: Sequence[Duplicate]) -> str:
    """What sets the best apart from all the others."""
    rivals = [copy for copy in copies if _pixels(copy) == _pixels(best)]
    if not rivals:
        return "largest"
    if all(best.modified_at < rival.modified_at for rival in rivals):
        return "oldest" if len(rivals) == len(copies) else "oldest of the largest"
    if all(best.bytes > rival.bytes for rival in rivals):
        return "most bytes"
    return "first indexed"


def _pixels(file: Duplicate) -> int:
    return (file.width or 0) * (file.height or 0)


def _duplicate(file: StoredFile, match: Match | None) -> Duplicate:
    looks = file.looks
    return Duplicate(
        path=file.path,
        asset=file.asset,
        match=match,
        bytes=file.size,
        width=looks.width,
        height=looks.height,
        captured_at=looks.captured_at,
        modified_at=datetime.fromtimestamp(looks.mtime_ns / 1e9, UTC),
    )
