"""Decides what files mean to the catalog, and commits in groups what was decided."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from mmsearch.catalog.catalog import Catalog
from mmsearch.catalog.records import ContentKey, FileState, KnownAsset, NewItem, Origin, StoredItem
from mmsearch.catalog.transaction import Transaction
from mmsearch.errors import NothingToIndexError
from mmsearch.ingest.companions import Said
from mmsearch.ingest.drafts import Draft, difference, without_repeats
from mmsearch.ingest.jobs import Job
from mmsearch.ingest.plan import Plan
from mmsearch.ingest.read import Content, Unreadable
from mmsearch.ingest.tally import Tally
from mmsearch.items import MediaInfo, Modality

Change: TypeAlias = Callable[[Transaction], object]

UNREADABLE_FOLDER = "UnreadableFolder"
"""Kind of the failure that is recorded for a folder."""

NO_SPEECH = "no speech was recognised in it"

COMMIT_CHANGES = 64
COMMIT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A change that may wait for embeddings; entries are put in the order they were made.

    Attributes:
        drafts: what to embed.
        change: what to do with the items, which come in the order of the drafts.
    """

    drafts: Sequence[Draft]
    change: Callable[[Transaction, list[NewItem]], object]

    @classmethod
    def of(cls, *changes: Change) -> Entry:
        """Changes that need no embeddings."""

        def apply(transaction: Transaction, _items: list[NewItem]) -> None:
            for change in changes:
                change(transaction)

        return cls((), apply)


class Ledger:
    """Turns what was read into changes of the catalog, and counts them."""

    def __init__(self, catalog: Catalog, tally: Tally) -> None:
        self.catalog = catalog
        self.tally = tally
        self._held = catalog.readable_contents()
        self._content_of = {asset: content for content, asset in self._held.items()}
        self._missing: dict[ContentKey, list[KnownAsset]] = {}
        self._mended: set[int] = set()
        self._changes: list[Change] = []
        self._committed_at = time.monotonic()

    @property
    def held(self) -> dict[ContentKey, int]:
        """Which asset holds which content."""
        return self._held

    def begin(self, plan: Plan) -> None:
        """Takes over what a plan has found already."""
        self.tally.unchanged += plan.unchanged
        for failed in plan.failed_before:
            self.tally.fail(failed.path, failed.reason)
        self.tally.other_kinds.update(plan.other_kinds)
        self.tally.unmatched_captions += plan.unmatched_captions
        source = plan.scope.source
        for folder in plan.unreadable:
            state = FileState(folder.path, size=0, mtime_ns=0)
            failure = Unreadable(state, folder.reason, UNREADABLE_FOLDER)
            self._changes.append(self._record(source.id, source.path / folder.path, failure))
        for asset in plan.missing:
            self._missing.setdefault(_key(asset), []).append(asset)

    def fail(self, job: Job, failure: Unreadable) -> Entry:
        """The entry of a file that could not be read; items that it had are removed."""
        self._forget_content(job.before)
        if job.captions is None:  # what they said went with the items: it is not known any more
            failure = replace(failure, file=replace(failure.file, captions=None))
        return Entry.of(self._record(job.source_id, job.location, failure))

    def with_kept_captions(self, job: Job, said: Said) -> Said:
        """Adds what caption files said of a file earlier, where they cannot be read now."""
        if job.captions is not None or job.before is None:
            return said
        kept = [
            Draft(item.modality, text=item.text, origin=item.origin)
            for item in self.catalog.items_of(job.before.id)
            if item.origin is Origin.COLLECTION
        ]
        return Said([*said.drafts, *kept], said.failed)

    def companions(self, job: Job, said: Said) -> Entry:
        """The entry of companions that could not be read, and of those that now could."""
        # Once for all files that share them: what one of them records must stay.
        mended = [asset for asset in job.mended if asset.id not in self._mended]
        self._mended.update(asset.id for asset in mended)
        changes: list[Change] = []
        if mended:
            ids = [asset.id for asset in mended]
            changes.append(partial(Transaction.remove_assets, asset_ids=ids))
        for asset in mended:
            self._forget_content(asset)
            self.tally.removed += asset.failure is None
        for companion, error in said.failed:
            failure = Unreadable.of(companion.file, error)
            if companion.is_in_source:
                changes.append(self._record(job.source_id, companion.location, failure))
            else:
                self.tally.fail(companion.location, failure.reason)
        return Entry.of(*changes)

    def new_content(self, job: Job, content: Content, said: Said) -> Entry:
        """The entry of a file whose content was read."""
        self._forget_content(job.before)
        self._count(job.before)
        drafts = without_repeats((*content.drafts, *said.drafts))
        return Entry(
            drafts,
            lambda change, items: change.put_asset(
                job.source_id, content.file, content.info, items, fingerprint=content.fingerprint
            ),
        )

    def known_content(self, job: Job, file: FileState, said: Said) -> Entry | None:
        """The entry of a file whose content the catalog has; None where it no longer has it."""
        content, before = job.content_key(file), job.before
        if before and job.content_key(before.file) == content and _is_whole(before):
            return self._with_texts(before, file, job, said)
        self._forget_content(before)
        moved = next(filter(_is_whole, self._missing.get(content, ())), None)
        if moved is not None:
            # The content of a file that is gone, under a new name: it was moved.
            self._missing[content].remove(moved)
            return self._with_texts(moved, file, job, said)
        like = self._held.get(content)
        if like is None:
            return None
        self._count(before)
        drafts = without_repeats(said.drafts, _own_captions(self.catalog.items_of(like)))
        return Entry(drafts, partial(_copy, job.source_id, file, like))

    def new_texts(self, job: Job, said: Said) -> Entry:
        """The entry of a file of which only other files say something else now."""
        assert job.before is not None
        known = job.before.file
        file = replace(job.file, content_hash=known.content_hash, reading=known.reading)
        return self._with_texts(job.before, file, job, said)

    def needs_recognition(self, job: Job, said: Said) -> bool:
        """Whether the transcript that a recording was searched by is no longer there."""
        if job.before is None or said.has_transcript:
            return False
        items = self.catalog.items_of(job.before.id)
        return any(
            item.modality is Modality.TRANSCRIPT and item.origin is Origin.COMPANION
            for item in items
        )

    def put(self, entry: Entry, items: Sequence[NewItem] = ()) -> None:
        """Takes in an entry, with its items."""
        self.tally.items += len(items)
        self._changes.append(lambda change: entry.change(change, list(items)))

    def begin_asset(
        self, job: Job, file: FileState, info: MediaInfo, items: Sequence[NewItem]
    ) -> int:
        """Stores an asset that will get more items; what was known of its path is replaced."""
        self._forget_content(job.before)
        self.tally.items += len(items)
        self.commit()
        with self.catalog.transaction() as transaction:
            return transaction.put_asset(job.source_id, file, info, items)

    def extend_asset(self, asset_id: int, file: FileState, items: Sequence[NewItem]) -> None:
        """Commits more items of an asset, and how far it was read."""
        self.tally.items += len(items)
        self._changes.append(partial(Transaction.add_items, asset_id=asset_id, items=items))
        self._changes.append(partial(Transaction.put_state, asset_id=asset_id, file=file))
        self.commit()

    def end_asset(
        self, job: Job, asset_id: int, file: FileState, info: MediaInfo, problem: Unreadable | None
    ) -> None:
        """Stores that an asset was read to its end, and what could not be read of it."""
        self._count(job.before)
        self._changes.append(partial(Transaction.put_state, asset_id=asset_id, file=file))
        self._changes.append(partial(Transaction.put_info, asset_id=asset_id, info=info))
        if problem is None:
            self._hold(job.content_key(file), asset_id)
        else:
            self.tally.fail(job.location, problem.reason)
            self._changes.append(
                partial(
                    Transaction.note_failure,
                    asset_id=asset_id,
                    reason=problem.reason,
                    kind=problem.kind,
                )
            )
        self.commit()

    def remove_missing(self) -> None:
        """Removes what is gone and was not found again under another name."""
        gone = [asset for assets in self._missing.values() for asset in assets]
        if gone:
            self.tally.removed += sum(asset.failure is None for asset in gone)
            ids = [asset.id for asset in gone]
            self._changes.append(partial(Transaction.remove_assets, asset_ids=ids))

    def commit_when_due(self) -> None:
        """Commits if enough changes, or enough time, have come together."""
        due = time.monotonic() - self._committed_at >= COMMIT_SECONDS
        if len(self._changes) >= COMMIT_CHANGES or due:
            self.commit()

    def commit(self) -> None:
        """Commits all changes so far."""
        if self._changes:
            with self.catalog.transaction() as transaction:
                for change in self._changes:
                    change(transaction)
            self._changes.clear()
        self._committed_at = time.monotonic()

    def _count(self, before: KnownAsset | None) -> None:
        """Counts a file whose content is new to its path."""
        is_new = before is None or before.failure is not None or before.file.read_until is not None
        if is_new:
            self.tally.added += 1
        else:
            self.tally.updated += 1

    def _with_texts(self, asset: KnownAsset, file: FileState, job: Job, said: Said) -> Entry:
        """The entry of a stored asset that keeps its content, here or from another path."""
        stored = self.catalog.items_of(asset.id)
        changing = [item for item in stored if item.origin is not Origin.CONTENT]
        if job.is_timed and said.has_transcript:
            changing += _recognised(stored)
            file = replace(file, reading=None)
            self._forget_content(asset)
        gone, drafts = difference(changing, without_repeats(said.drafts, _own_captions(stored)))
        if job.is_timed and not drafts and len(gone) == len(stored):
            nothing = Unreadable.of(file, NothingToIndexError(NO_SPEECH))
            remove = partial(Transaction.remove_assets, asset_ids=[asset.id])
            return Entry.of(remove, self._record(job.source_id, job.location, nothing))
        is_same = asset is job.before and not gone and not drafts
        if is_same:
            self.tally.unchanged += 1
        else:
            self.tally.updated += 1

        def apply(change: Transaction, items: list[NewItem]) -> None:
            if asset is job.before:
                change.put_state(asset.id, file)
            else:
                change.move_asset(asset.id, job.source_id, file)
            change.remove_items(gone)
            change.add_items(asset.id, items)

        return Entry(drafts, apply)

    def _hold(self, content: ContentKey, asset: int) -> None:
        """An asset that was read can be copied from now on."""
        if content not in self._held:
            self._held[content] = asset
            self._content_of[asset] = content

    def _forget_content(self, before: KnownAsset | None) -> None:
        """A path gets other content: what it held can no longer be copied from it."""
        if before is not None and (content := self._content_of.pop(before.id, None)):
            del self._held[content]

    def _record(self, source_id: int, location: Path, failure: Unreadable) -> Change:
        self.tally.fail(location, failure.reason)
        return partial(
            Transaction.fail_asset,
            source_id=source_id,
            file=failure.file,
            reason=failure.reason,
            kind=failure.kind,
        )


def _key(asset: KnownAsset) -> ContentKey:
    return ContentKey.of(asset.file.content_hash, asset.file.reading, asset.file.path)


def _is_whole(asset: KnownAsset) -> bool:
    """Whether all of a file's content is in the catalog."""
    return asset.failure is None and asset.file.read_until is None


def _own_captions(items: Sequence[StoredItem]) -> list[str | None]:
    """The captions that a file itself holds."""
    return [
        item.text
        for item in items
        if item.origin is Origin.CONTENT and item.modality is Modality.CAPTION
    ]


def _recognised(items: Sequence[StoredItem]) -> list[StoredItem]:
    return [
        item
        for item in items
        if item.origin is Origin.CONTENT and item.modality is Modality.TRANSCRIPT
    ]


def _copy(
    source_id: int, file: FileState, like: int, change: Transaction, items: list[NewItem]
) -> None:
    asset = change.copy_asset(source_id, file, like)
    change.add_items(asset, items)
