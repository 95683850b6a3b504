"""Executes plans: reads files ahead in threads, encodes in batches, commits in groups."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TypeAlias

import numpy as np

from mmsearch.catalog.catalog import Catalog
from mmsearch.catalog.records import FileState, KnownAsset, NewItem
from mmsearch.catalog.transaction import Transaction
from mmsearch.encoders.base import DualEncoder
from mmsearch.ingest.overlap import map_ahead
from mmsearch.ingest.plan import Plan
from mmsearch.ingest.read import KnownContent, Photo, PhotoReader, Unreadable
from mmsearch.ingest.tally import Tally
from mmsearch.items import Failure, Modality

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the files done and the files to do, first with none done."""

Change: TypeAlias = Callable[[Transaction], object]

UNREADABLE_FOLDER = "UnreadableFolder"
"""Kind of the failure that is recorded for a folder."""

COMMIT_CHANGES = 64
COMMIT_SECONDS = 2.0


def no_progress(done: int, total: int) -> None:
    """Shows nothing."""


@dataclass(frozen=True, slots=True)
class Job:
    """One file to read; ``before`` is what the catalog knows of its path."""

    source_id: int
    location: Path
    file: FileState
    before: KnownAsset | None


class Run:
    """One indexing run over the plans of one or more scopes."""

    def __init__(
        self,
        catalog: Catalog,
        load_encoder: Callable[[], DualEncoder],
        max_megapixels: float,
        tally: Tally,
    ) -> None:
        self._catalog = catalog
        self._load_encoder = load_encoder
        self._max_megapixels = max_megapixels
        self._tally = tally
        self._embedded = catalog.readable_contents()
        self._missing: dict[str, list[KnownAsset]] = {}
        self._to_encode: list[tuple[Job, Photo]] = []
        self._to_commit: list[Change] = []
        self._committed_at = time.monotonic()

    @cached_property
    def _encoder(self) -> DualEncoder:
        """Loaded when first needed: an unchanged tree is checked without torch."""
        return self._load_encoder()

    @cached_property
    def _read_anew(self) -> PhotoReader:
        """Reads and decodes a file, whatever is known of its content."""
        return PhotoReader(self._encoder.transform, self._max_megapixels)

    def execute(self, plans: Sequence[Plan], progress: Progress = no_progress) -> None:
        """Reads, encodes and commits what the plans say."""
        for plan in plans:
            self._begin(plan)
        jobs = [
            Job(plan.scope.source.id, plan.scope.source.path / file.path, file, before)
            for plan in plans
            for file, before in plan.to_read
        ]
        progress(0, len(jobs))
        if jobs:
            self._read_and_encode(jobs, progress)
        self._remove_missing()
        self._commit()

    def _read_and_encode(self, jobs: Sequence[Job], progress: Progress) -> None:
        read = replace(self._read_anew, embedded=self._embedded)
        results = map_ahead(
            lambda job: read(job.location, job.file), jobs, batch=self._encoder.batch_size
        )
        with closing(results):
            for done, (job, result) in enumerate(results, start=1):
                self._take(job, result)
                progress(done, len(jobs))
        self._encode()

    def _begin(self, plan: Plan) -> None:
        self._tally.unchanged += plan.unchanged
        self._tally.failed.extend(plan.failed_before)
        self._tally.other_kinds.update(plan.other_kinds)
        source = plan.scope.source
        for folder in plan.unreadable:
            state = FileState(folder.path, size=0, mtime_ns=0)
            self._fail(
                source.id,
                source.path / folder.path,
                Unreadable(state, folder.reason, UNREADABLE_FOLDER),
            )
        for asset in plan.missing:
            self._missing.setdefault(asset.content_hash or "", []).append(asset)

    def _take(self, job: Job, result: Photo | KnownContent | Unreadable) -> None:
        """Decides what a file that was read means to the catalog."""
        if isinstance(result, KnownContent) and not self._reuse(job, result.file):
            # Its content was embedded when the run began, but has been replaced since.
            result = self._read_anew(job.location, job.file)
        if isinstance(result, Photo):
            self._forget_content(job.before)
            self._to_encode.append((job, result))
            if len(self._to_encode) >= self._encoder.batch_size:
                self._encode()
        elif isinstance(result, Unreadable):
            self._forget_content(job.before)
            self._fail(job.source_id, job.location, result)
        self._commit_when_due()

    def _reuse(self, job: Job, file: FileState) -> bool:
        """Stores a file whose content is embedded already; False where it no longer is."""
        content = file.content_hash or ""
        before = job.before
        if before and before.content_hash == content and before.failure is None:
            self._tally.unchanged += 1
            self._to_commit.append(partial(Transaction.touch_asset, asset_id=before.id, file=file))
            return True
        self._forget_content(before)
        if self._missing.get(content):
            # The content of a file that is gone, under a new name: it was moved.
            moved = self._missing[content].pop(0)
            self._tally.updated += 1
            self._to_commit.append(
                partial(
                    Transaction.move_asset, asset_id=moved.id, source_id=job.source_id, file=file
                )
            )
            return True
        like = self._embedded.get(content)
        if like is None:
            return False
        self._count(before)
        self._to_commit.append(
            partial(Transaction.copy_asset, source_id=job.source_id, file=file, like=like)
        )
        return True

    def _forget_content(self, before: KnownAsset | None) -> None:
        """A path gets other content: what it held can no longer be copied from it."""
        if before and before.content_hash and self._embedded.get(before.content_hash) == before.id:
            del self._embedded[before.content_hash]

    def _fail(self, source_id: int, location: Path, result: Unreadable) -> None:
        self._tally.failed.append(Failure(location, result.reason))
        self._to_commit.append(
            partial(
                Transaction.fail_asset,
                source_id=source_id,
                file=result.file,
                reason=result.reason,
                kind=result.kind,
            )
        )

    def _encode(self) -> None:
        if not self._to_encode:
            return
        vectors = self._encoder.encode_images(np.stack([p.pixels for _, p in self._to_encode]))
        for (job, photo), vector in zip(self._to_encode, vectors, strict=True):
            self._count(job.before)
            self._tally.items += 1
            self._to_commit.append(
                partial(
                    Transaction.put_asset,
                    source_id=job.source_id,
                    file=photo.file,
                    info=photo.info,
                    items=[NewItem(Modality.IMAGE, vector)],
                )
            )
        self._to_encode.clear()

    def _count(self, before: KnownAsset | None) -> None:
        if before is None or before.failure is not None:
            self._tally.added += 1
        else:
            self._tally.updated += 1

    def _remove_missing(self) -> None:
        gone = [asset for assets in self._missing.values() for asset in assets]
        if gone:
            self._tally.removed += sum(asset.failure is None for asset in gone)
            ids = [asset.id for asset in gone]
            self._to_commit.append(partial(Transaction.remove_assets, asset_ids=ids))

    def _commit_when_due(self) -> None:
        due = time.monotonic() - self._committed_at >= COMMIT_SECONDS
        if len(self._to_commit) >= COMMIT_CHANGES or due:
            self._commit()

    def _commit(self) -> None:
        if self._to_commit:
            with self._catalog.transaction() as transaction:
                for change in self._to_commit:
                    change(transaction)
            self._to_commit.clear()
        self._committed_at = time.monotonic()
