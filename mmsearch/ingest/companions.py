"""Reads what the files beside an asset say of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mmsearch.catalog.records import Origin
from mmsearch.errors import MediaError, UnsupportedFormatError
from mmsearch.ingest.drafts import Draft, text_drafts
from mmsearch.ingest.jobs import Companion, Job
from mmsearch.items import Modality
from mmsearch.media.captions import read_sidecar
from mmsearch.media.formats import suffix_of
from mmsearch.media.passages import Fits
from mmsearch.media.transcripts import TRANSCRIPT_SUFFIXES, read_transcript


@dataclass(slots=True)
class Said:
    """What other files say of an asset.

    Attributes:
        drafts: captions and transcripts.
        failed: companions that could not be read, with the error.
    """

    drafts: list[Draft] = field(default_factory=list)
    failed: list[tuple[Companion, MediaError]] = field(default_factory=list)

    @property
    def has_transcript(self) -> bool:
        """Whether speech need not be recognised."""
        return any(draft.modality is Modality.TRANSCRIPT for draft in self.drafts)


def what_others_say(job: Job, fits: Fits) -> Said:
    """Reads the companions of a file, and takes what caption files say of it.

    Of several transcripts of a recording or video only the best one counts.

    Args:
        job: the file.
        fits: whether the text tower takes a text whole.
    """
    said = Said()
    for companion in job.companions:
        may_be_transcript = job.is_timed and suffix_of(companion.file.path) in TRANSCRIPT_SUFFIXES
        try:
            drafts = _read(companion.location, may_be_transcript, fits)
        except MediaError as error:
            said.failed.append((companion, error))
            continue
        is_transcript = any(draft.modality is Modality.TRANSCRIPT for draft in drafts)
        if not (is_transcript and said.has_transcript):
            said.drafts += drafts
    said.drafts += text_drafts(Modality.CAPTION, job.captions or (), fits, Origin.COLLECTION)
    return said


def _read(path: Path, may_be_transcript: bool, fits: Fits) -> list[Draft]:
    if may_be_transcript:
        try:
            return [Draft.of(said, Origin.COMPANION) for said in read_transcript(path, fits)]
        except UnsupportedFormatError:
            if suffix_of(path.name) != ".json":
                raise  # JSON beside a video may describe it instead
    return text_drafts(Modality.CAPTION, read_sidecar(path), fits, Origin.COMPANION)
