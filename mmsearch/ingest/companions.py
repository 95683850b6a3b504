"""Reads what the files beside an asset say of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mmsearch.catalog.records import Origin
from mmsearch.errors import MediaError, UnsupportedFormatError
from mmsearch.ingest.drafts import Draft
from mmsearch.ingest.jobs import Companion, Job
from mmsearch.items import Modality, Passage
from mmsearch.media.captions import read_sidecar
from mmsearch.media.formats import suffix_of
from mmsearch.media.passages import cut_passages
from mmsearch.media.transcripts import TRANSCRIPT_SUFFIXES, read_transcript

Fits = Callable[[str], bool]


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
            passages = _read(companion.location, may_be_transcript, fits)
        except MediaError as error:
            said.failed.append((companion, error))
            continue
        is_transcript = any(passage.modality is Modality.TRANSCRIPT for passage in passages)
        if not (is_transcript and said.has_transcript):
            said.drafts.extend(Draft.of(passage, Origin.COMPANION) for passage in passages)
    for caption in job.captions or ():
        for text in cut_passages(caption, fits):
            passage = Passage(Modality.CAPTION, text)
            said.drafts.append(Draft.of(passage, Origin.COLLECTION))
    return said


def _read(path: Path, may_be_transcript: bool, fits: Fits) -> list[Passage]:
    if may_be_transcript:
        try:
            return read_transcript(path, fits)
        except UnsupportedFormatError:
            if suffix_of(path.name) != ".json":
                raise  # JSON beside a video may describe it instead
    return [
        Passage(Modality.CAPTION, text)
        for caption in read_sidecar(path)
        for text in cut_passages(caption, fits)
    ]
