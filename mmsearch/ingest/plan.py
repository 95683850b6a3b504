"""Compares a folder with the catalog: what is new, what changed, what is gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from mmsearch.catalog.records import FileState, KnownAsset
from mmsearch.errors import SourceNotFoundError, UnreadableFileError
from mmsearch.ingest.sources import Scope
from mmsearch.items import Failure
from mmsearch.media.discover import OtherFile, UnreadableFolder, discover


@dataclass(slots=True)
class Plan:
    """What one run has to do in one scope.

    Attributes:
        to_read: files that are new or look changed, each with what is known of it.
        unchanged: count of searchable files that look as they did.
        failed_before: files that failed, look as they did, and are not tried again.
        missing: assets whose files are gone.
        other_kinds: counts of files that are no photos, by suffix.
        unreadable: folders that could not be listed; what is known below them is left alone.
    """

    scope: Scope
    to_read: list[tuple[FileState, KnownAsset | None]] = field(default_factory=list)
    unchanged: int = 0
    failed_before: list[Failure] = field(default_factory=list)
    missing: list[KnownAsset] = field(default_factory=list)
    other_kinds: Counter[str] = field(default_factory=Counter)
    unreadable: list[UnreadableFolder] = field(default_factory=list)


def make_plan(scope: Scope, known: dict[str, KnownAsset]) -> Plan:
    """Walks a scope and compares it with what the catalog knows.

    Args:
        scope: the part of a source to look at.
        known: the source's assets by path.

    Raises:
        SourceNotFoundError: the scope's root is not there, or is an empty folder though photos in
            it are known: so looks a drive that is not plugged in.
    """
    plan = Plan(scope)
    seen: set[str] = set()
    for found in discover(scope.root, exclude=scope.source.exclude, within=scope.within):
        path = scope.to_source(found.path)
        if isinstance(found, UnreadableFolder):
            plan.unreadable.append(UnreadableFolder(path, found.reason))
            continue
        if isinstance(found, OtherFile):
            plan.other_kinds[PurePosixPath(path).suffix.lower()] += 1
            continue
        seen.add(path)
        before = known.get(path)
        if before is None or _looks_changed(before, found.size, found.mtime_ns):
            plan.to_read.append((FileState(path, found.size, found.mtime_ns), before))
        elif before.failure is None:
            plan.unchanged += 1
        else:
            plan.failed_before.append(Failure(scope.source.path / path, before.failure))
    if not seen and any(scope.holds(path) for path in known) and _is_empty_folder(scope.root):
        raise SourceNotFoundError(
            f"{scope.root} is empty, but photos in it are indexed; is its drive plugged in? "
            "Nothing was removed: `mmsearch remove` takes them out of the index."
        )
    plan.missing = [
        asset
        for path, asset in known.items()
        if path not in seen and scope.holds(path) and not _is_below_any(path, plan.unreadable)
    ]
    return plan


def _looks_changed(before: KnownAsset, size: int, mtime_ns: int) -> bool:
    if (before.size, before.mtime_ns) != (size, mtime_ns):
        return True
    # A failure whose cause may lie outside of the file (a missing extra, a limit, a permission)
    # is worth another try; a damaged file is not, until it changes.
    return before.failure is not None and (
        before.content_hash is None or before.failure_kind != UnreadableFileError.__name__
    )


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and next(path.iterdir(), None) is None


def _is_below_any(path: str, folders: Sequence[UnreadableFolder]) -> bool:
    return any(
        folder.path in (".", path) or path.startswith(f"{folder.path}/") for folder in folders
    )
