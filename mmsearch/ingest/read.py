"""Turns one photo or text file into what the encoder and the catalog need; runs in a worker."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from mmsearch.catalog.records import ContentKey, FileState
from mmsearch.encoders.base import ImageTransform
from mmsearch.errors import MediaError
from mmsearch.ingest.companions import Said, what_others_say
from mmsearch.ingest.drafts import Draft, text_drafts
from mmsearch.ingest.jobs import Job
from mmsearch.ingest.photo import Photo, PhotoWish, decode_photo
from mmsearch.items import MediaInfo, Modality, Passage
from mmsearch.media.files import content_hash, hash_file, read_bytes
from mmsearch.media.formats import MediaKind
from mmsearch.media.passages import Fits
from mmsearch.media.text import read_text_file

if TYPE_CHECKING:
    from mmsearch.media.ocr import TextReader

DecodePhoto: TypeAlias = Callable[[bytes, str, PhotoWish], Photo]
"""As `mmsearch.ingest.photo.decode_photo`."""


@dataclass(frozen=True, slots=True)
class Content:
    """What was read in a file; photos have a fingerprint."""

    file: FileState
    info: MediaInfo
    drafts: tuple[Draft, ...]
    fingerprint: bytes | None = None


@dataclass(frozen=True, slots=True)
class KnownContent:
    """A file with content that the catalog has embeddings of, not decoded again."""

    file: FileState


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that could not be read."""

    file: FileState
    reason: str
    kind: str

    @classmethod
    def of(cls, file: FileState, error: Exception) -> Unreadable:
        """A file whose reading raised an error."""
        return cls(file, str(error), type(error).__name__)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a job brought.

    Attributes:
        content: what was read in the file; None where only other files were read.
        said: what other files say of it.
    """

    content: Content | KnownContent | Unreadable | None
    said: Said


@dataclass(frozen=True, slots=True)
class FileReader:
    """How photos and text files are read in one run.

    Attributes:
        transform: the encoder's.
        fits: whether the encoder's text tower takes a text whole.
        max_megapixels: larger images are refused.
        text_reader: reads the text in a picture, for jobs that ask for it.
        embedded: contents that need not be decoded.
        decode: decodes photos.
    """

    transform: ImageTransform
    fits: Fits
    max_megapixels: float
    text_reader: TextReader | None = None
    embedded: Container[ContentKey] = frozenset()
    decode: DecodePhoto = decode_photo

    def __call__(self, job: Job) -> Reading:
        """Reads one file; what is wrong with it is returned, not raised."""
        content = self.content(job) if job.reads_content and not job.is_timed else None
        return Reading(content, what_others_say(job, self.fits))

    def content(self, job: Job) -> Content | KnownContent | Unreadable:
        """Reads the file itself."""
        file = job.file
        try:
            if job.kind is MediaKind.TEXT:
                return self._text(job, replace(file, content_hash=hash_file(job.location)))
            data = read_bytes(job.location)
            file = replace(file, content_hash=content_hash(data))
            if job.content_key(file) in self.embedded:
                return KnownContent(file)
            return self._photo(job, file, data)
        except MediaError as error:
            return Unreadable.of(file, error)

    def _text(self, job: Job, file: FileState) -> Content | KnownContent:
        if job.content_key(file) in self.embedded:
            return KnownContent(file)
        passages = read_text_file(job.location, self.fits)
        drafts = [Draft.of(Passage(Modality.CAPTION, text)) for text in passages]
        return Content(file, MediaInfo(), tuple(drafts))

    def _photo(self, job: Job, file: FileState, data: bytes) -> Content:
        text_reader = self.text_reader if job.ocr else None
        wish = PhotoWish(
            self.transform,
            self.max_megapixels,
            fingerprint=True,
            picture_size=text_reader.min_size if text_reader else None,
        )
        photo = self.decode(data, job.location.suffix, wish)
        drafts = [Draft(Modality.IMAGE, pixels=photo.pixels)]
        drafts += text_drafts(Modality.CAPTION, photo.captions, self.fits)
        if text_reader and photo.picture:
            drafts += text_drafts(Modality.OCR, text_reader.blocks(photo.picture), self.fits)
        return Content(file, photo.info, tuple(drafts), photo.fingerprint)
