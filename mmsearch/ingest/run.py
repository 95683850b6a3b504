"""Executes plans: reads files ahead, encodes in batches, commits in groups.

Photos, texts and what other files say of an asset come first; recordings and videos follow one
by one, for each of them keeps all cores busy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from mmsearch.cores import usable_cores
from mmsearch.encoders.base import DualEncoder, expect_images
from mmsearch.ingest.decoders import READING, Decoders
from mmsearch.ingest.embedder import Embedder
from mmsearch.ingest.jobs import Job
from mmsearch.ingest.ledger import Entry, Ledger
from mmsearch.ingest.overlap import map_ahead
from mmsearch.ingest.plan import Plan
from mmsearch.ingest.read import (
    Content,
    DecodePhoto,
    FileReader,
    KnownContent,
    Reading,
    Unreadable,
)
from mmsearch.ingest.timed import TimedMediaReader
from mmsearch.media.formats import MediaKind

if TYPE_CHECKING:
    from mmsearch.media.ocr import TextReader
    from mmsearch.media.speech.recognise import SpeechRecogniser

Progress: TypeAlias = Callable[[float, int], None]
"""Called with the files done and the files to do, first with none done. A long recording counts
as the part of a file that is done."""


def no_progress(done: float, total: int) -> None:
    """Shows nothing."""


@dataclass(frozen=True, slots=True)
class Models:
    """What reads files in one run; each is loaded when it is first needed.

    Attributes:
        encoder: embeds items.
        recogniser: turns speech into text; raises SpeechModelError where no model is at hand.
        text_reader: finds text in pictures.
    """

    encoder: Callable[[], DualEncoder]
    recogniser: Callable[[], SpeechRecogniser]
    text_reader: Callable[[], TextReader]


class Run:
    """One indexing run over the plans of one or more scopes."""

    def __init__(
        self, ledger: Ledger, models: Models, max_megapixels: float, jobs: int | None
    ) -> None:
        self._ledger = ledger
        self._models = models
        self._max_megapixels = max_megapixels
        self._cores = jobs or usable_cores()

    @cached_property
    def _encoder(self) -> DualEncoder:
        """Loaded when first needed: an unchanged tree is checked without torch."""
        return self._models.encoder()

    def execute(self, plans: Sequence[Plan], progress: Progress = no_progress) -> None:
        """Reads, encodes and commits what the plans say."""
        for plan in plans:
            self._ledger.begin(plan)
        jobs = [job for plan in plans for job in plan.jobs]
        progress(0, len(jobs))
        if jobs:
            self._read(jobs, progress)
        self._ledger.remove_missing()
        self._ledger.commit()

    def _read(self, jobs: Sequence[Job], progress: Progress) -> None:
        short = [job for job in jobs if not (job.is_timed and job.reads_content)]
        long = [job for job in jobs if job.is_timed and job.reads_content]
        encoder = self._encoder
        photos = sum(job.reads_content and job.kind is MediaKind.PHOTO for job in short)
        expect_images(encoder, photos, self._cores)
        try:
            long += self._read_short(short, photos, lambda done: progress(done, len(jobs)))
            self._read_long(long, len(jobs), progress)
        finally:
            expect_images(encoder, 0, self._cores)

    def _read_long(self, long: Sequence[Job], total: int, progress: Progress) -> None:
        """Reads recordings and videos, the last ones of all files."""
        timed = TimedMediaReader(
            self._ledger, self._encoder, self._models.recogniser, self._max_megapixels
        )
        first = total - len(long)
        for number, job in enumerate(long):
            for part in timed.read(job):
                progress(first + number + part, total)
            progress(first + number + 1, total)

    def _read_short(
        self, jobs: Sequence[Job], photos: int, progress: Callable[[int], None]
    ) -> list[Job]:
        """Reads photos and texts; returns recordings that turn out to need more than that."""
        long = []
        done = 0
        decode = Decoders.for_photos(photos, self._cores)
        read = self._file_reader(jobs, decode)
        ahead = map_ahead(read, jobs, batch=self._encoder.batch_size, workers=self._cores + READING)
        # Decoders end first: who interrupts a run does not wait for a codec that hangs.
        with ahead as results, Embedder(self._ledger, self._encoder) as embedder, decode:
            for job, reading in results:
                if job.is_timed and self._ledger.needs_recognition(job, reading.said):
                    long.append(replace(job, reads_content=True))
                    continue
                for entry in self._entries(job, reading, read):
                    embedder.add(entry)
                done += 1
                progress(done)
        return long

    def _file_reader(self, jobs: Sequence[Job], decode: DecodePhoto) -> FileReader:
        reads_text = any(job.ocr for job in jobs)
        text_reader = self._models.text_reader() if reads_text else None
        return FileReader(
            transform=self._encoder.transform,
            fits=self._encoder.fits,
            max_megapixels=self._max_megapixels,
            text_reader=text_reader,
            embedded=self._ledger.held,
            decode=decode,
        )

    def _entries(self, job: Job, reading: Reading, read: FileReader) -> Iterator[Entry]:
        """Decides what a file that was read means to the catalog."""
        yield self._ledger.companions(job, reading.said)
        said = self._ledger.with_kept_captions(job, reading.said)
        yield self._entry(job, replace(reading, said=said), read)

    def _entry(self, job: Job, reading: Reading, read: FileReader) -> Entry:
        ledger, content, said = self._ledger, reading.content, reading.said
        if content is None:
            return ledger.new_texts(job, said)
        if isinstance(content, KnownContent):
            known = ledger.known_content(job, content.file, said)
            if known is not None:
                return known
            # Its content was embedded when the run began, but has been replaced since.
            content = replace(read, embedded=frozenset()).content(job)
        if isinstance(content, Content):
            return ledger.new_content(job, content, said)
        assert isinstance(content, Unreadable)
        return ledger.fail(job, content)
