"""Compares a folder with the catalog: what is new, what changed, what is gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from mmsearch.catalog.records import FileState, KnownAsset
from mmsearch.errors import (
    NothingToIndexError,
    SourceNotFoundError,
    SpeechModelError,
    UnreadableFileError,
)
from mmsearch.ingest.collection import CaptionCollection
from mmsearch.ingest.jobs import Companion, Job, state_of_files, state_of_texts
from mmsearch.ingest.sources import Scope
from mmsearch.items import Failure
from mmsearch.media.discover import FoundFile, OtherFile, UnreadableFolder, discover
from mmsearch.media.formats import MediaKind

OCR_READING = "rapidocr"
"""Names what read the text in a photo. Not its version: that is no reason to read all again."""

IsBusy: TypeAlias = Callable[[Path, int], bool]
"""Whether a file is still being written, by its absolute path and the time of its last change in
nanoseconds since 1970, or 0 where it is not there."""

_LASTING_FAILURES = (UnreadableFileError.__name__, NothingToIndexError.__name__)


@dataclass(frozen=True, slots=True)
class SpeechModels:
    """Which models can recognise speech in this run.

    Attributes:
        chosen: id of the one that the user chose; what others recognised is then recognised
            again. None where whichever was used is fine.
        is_any: whether there is any; asked only where a recording waits for one.
    """

    chosen: str | None
    is_any: Callable[[], bool]


@dataclass(slots=True)
class Plan:
    """What one run has to do in one scope.

    Attributes:
        scope: the part of a source that it is for.
        jobs: files that are new or changed, or of which other files say something else now.
        unchanged: count of searchable files that look as they did.
        failed_before: files that failed, look as they did, and are not tried again.
        missing: assets whose files are gone.
        other_kinds: counts of files that cannot be searched, by suffix.
        unreadable: folders that could not be listed; what is known below them is left alone.
        unmatched_captions: how many captions speak of no file of the source.
        busy: paths of files that are still being written; what is known of them is left alone.
    """

    scope: Scope
    jobs: list[Job] = field(default_factory=list)
    unchanged: int = 0
    failed_before: list[Failure] = field(default_factory=list)
    missing: list[KnownAsset] = field(default_factory=list)
    other_kinds: Counter[str] = field(default_factory=Counter)
    unreadable: list[UnreadableFolder] = field(default_factory=list)
    unmatched_captions: int = 0
    busy: set[str] = field(default_factory=set)


def never_busy(path: Path, changed_ns: int) -> bool:
    """No file is still being written."""
    return False


def make_plan(
    scope: Scope,
    known: Mapping[str, KnownAsset],
    collection: CaptionCollection,
    speech: SpeechModels,
    is_busy: IsBusy = never_busy,
) -> Plan:
    """Walks a scope and compares it with what the catalog knows.

    Args:
        scope: the part of a source to look at.
        known: the source's assets by path.
        collection: what its caption files say.
        speech: the speech models of this run.
        is_busy: which files are left for a later run.

    Raises:
        SourceNotFoundError: the scope's root is not there, or is an empty folder though files in
            it are known: so looks a drive that is not plugged in.
    """
    plan = Plan(scope)
    found = _look(plan, is_busy)
    if not found and any(scope.holds(path) for path in known) and _is_empty_folder(scope.root):
        raise SourceNotFoundError(
            f"{scope.root} is empty, but files in it are indexed; is its drive plugged in? "
            "Nothing was removed: `mmsearch remove` takes them out of the index."
        )
    captions = _captions(plan, found, known, collection)
    jobs = [
        _job(
            scope,
            path,
            file,
            known,
            None if collection.failed else tuple(captions.get(scope.name_of(path), ())),
        )
        for path, file in found.items()
    ]
    _add(plan, jobs, speech)
    seen = {*found, *(companion.file.path for job in jobs for companion in job.companions)}
    plan.missing = [
        asset
        for path, asset in known.items()
        if path not in seen
        and path not in plan.busy
        and scope.holds(path)
        and not _is_below_any(path, plan.unreadable)
        and not is_busy(scope.source.path / path, 0)
    ]
    return plan


def _captions(
    plan: Plan,
    found: Mapping[str, FoundFile],
    known: Mapping[str, KnownAsset],
    collection: CaptionCollection,
) -> dict[str, list[str]]:
    """What caption files say of each file of the source, by `Scope.name_of` it.

    Known files count where the walk did not look: a name must be the only one of its kind. Those
    that are gone do not, or a photo would lose its captions when it is moved.
    """
    scope = plan.scope
    unseen = (
        path for path in known if not scope.holds(path) or _is_below_any(path, plan.unreadable)
    )
    names = {scope.name_of(path) for path in (*found, *unseen)}
    captions, plan.unmatched_captions = collection.by_path(names)
    return captions


def _look(plan: Plan, is_busy: IsBusy) -> dict[str, FoundFile]:
    """Walks the scope; returns its media by their paths in the source, but for busy ones."""
    scope = plan.scope
    caption_files = set(scope.source.caption_files)
    media: dict[str, FoundFile] = {}
    for found in discover(scope.root, exclude=scope.source.exclude, within=scope.within):
        path = scope.to_source(found.path)
        if isinstance(found, UnreadableFolder):
            plan.unreadable.append(UnreadableFolder(path, found.reason))
        elif scope.source.path / path in caption_files:
            continue
        elif isinstance(found, OtherFile):
            plan.other_kinds[PurePosixPath(path).suffix.lower()] += 1
        elif is_busy(scope.source.path / path, found.mtime_ns):
            plan.busy.add(path)
        else:
            media[path] = found
    return media


def _job(
    scope: Scope,
    path: str,
    found: FoundFile,
    known: Mapping[str, KnownAsset],
    captions: tuple[str, ...] | None,
) -> Job:
    """Everything that could be done with a file."""
    before = known.get(path)
    companions = _companions(scope, found)
    states = [companion.file for companion in companions]
    if captions is None:
        captions_state = before.file.captions if before else None
    else:
        captions_state = state_of_texts(captions)
    ocr = scope.source.ocr and found.kind is MediaKind.PHOTO
    file = FileState(
        path,
        found.size,
        found.mtime_ns,
        companions=state_of_files(states),
        captions=captions_state,
        reading=OCR_READING if ocr else None,  # of speech that is known only later
    )
    return Job(
        source_id=scope.source.id,
        location=scope.source.path / path,
        kind=found.kind,
        file=file,
        before=before,
        companions=companions,
        captions=captions,
        mended=tuple(known[state.path] for state in states if state.path in known),
        ocr=ocr,
    )


def _companions(scope: Scope, found: FoundFile) -> tuple[Companion, ...]:
    """The companions of a file; those of a single file are named by the bare file name."""
    is_single = found.path == "."
    folder = scope.within.rpartition("/")[0]
    companions = []
    for companion in found.companions:
        if not is_single:
            path = scope.to_source(companion.path)
        else:
            path = f"{folder}/{companion.path}" if folder else companion.path
        root = scope.source.path.parent if is_single and not scope.within else scope.source.path
        state = FileState(path, companion.size, companion.mtime_ns)
        companions.append(Companion(root / path, state, not is_single or bool(scope.within)))
    return tuple(companions)


def _add(plan: Plan, jobs: Sequence[Job], speech: SpeechModels) -> None:
    """Adds files to the plan: to be read, to be told of anew, or left as they are."""
    stale = [_is_stale(job, speech) for job in jobs]
    # A companion that is read for one file is read for all that share it: what cannot be read of
    # it is recorded anew.
    shared = {
        asset.id
        for job, is_stale in zip(jobs, stale, strict=True)
        if is_stale
        for asset in job.mended
    }
    for job, is_stale in zip(jobs, stale, strict=True):
        if is_stale or any(asset.id in shared for asset in job.mended):
            plan.jobs.append(replace(job, reads_content=_must_read(job, speech)))
        else:
            _leave(plan, job)


def _leave(plan: Plan, job: Job) -> None:
    """Counts a file that is left as it is."""
    plan.failed_before.extend(
        Failure(plan.scope.source.path / asset.file.path, asset.failure or "")
        for asset in job.mended
    )
    if job.before is None or job.before.failure is None:
        plan.unchanged += 1
    else:
        plan.failed_before.append(Failure(job.location, job.before.failure))


def _is_stale(job: Job, speech: SpeechModels) -> bool:
    """Whether a file, or what other files say of it, is not as it was."""
    if job.before is None or _content_is_stale(job, job.before, speech):
        return True
    known = job.before.file
    return (known.companions, known.captions) != (job.file.companions, job.file.captions) or any(
        asset.failure is None for asset in job.mended
    )


def _must_read(job: Job, speech: SpeechModels) -> bool:
    """Whether a stale file must be read itself: what failed has no items to add others to."""
    before = job.before
    return before is None or before.failure is not None or _content_is_stale(job, before, speech)


def _content_is_stale(job: Job, before: KnownAsset, speech: SpeechModels) -> bool:
    known = before.file
    if (known.size, known.mtime_ns) != (job.file.size, job.file.mtime_ns):
        return True
    if known.read_until is not None:  # a recording that was read only so far
        return True
    if job.is_timed:
        if known.reading and speech.chosen and known.reading != speech.chosen:
            return True
    elif known.reading != job.file.reading:
        return True
    if before.failure is None:
        return False
    # A failure whose cause may lie outside of the file (a missing extra, a limit, a permission)
    # is worth another try; a damaged file is not, until it changes.
    if before.failure_kind == SpeechModelError.__name__:
        return speech.is_any()
    return known.content_hash is None or before.failure_kind not in _LASTING_FAILURES


def _is_empty_folder(path: Path) -> bool:
    try:
        return path.is_dir() and next(path.iterdir(), None) is None
    except OSError:  # it may not be listed, which is told of otherwise
        return False


def _is_below_any(path: str, folders: Sequence[UnreadableFolder]) -> bool:
    return any(
        folder.path in (".", path) or path.startswith(f"{folder.path}/") for folder in folders
    )
