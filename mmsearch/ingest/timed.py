"""Reads recordings and videos: window by window, each committed when it is done.

A run that is cut short goes on after the last finished window, and what was finished can be
searched meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from mmsearch.catalog.records import FileState
from mmsearch.encoders.base import DualEncoder
from mmsearch.errors import MediaError, NothingToIndexError, SpeechModelError
from mmsearch.ingest.companions import Said, what_others_say
from mmsearch.ingest.drafts import Draft, embed, text_drafts, without_repeats
from mmsearch.ingest.jobs import Job
from mmsearch.ingest.ledger import NO_SPEECH, Ledger
from mmsearch.ingest.read import Unreadable
from mmsearch.items import MediaInfo, Modality
from mmsearch.media.audio import probe_audio
from mmsearch.media.files import hash_file
from mmsearch.media.formats import MediaKind
from mmsearch.media.frames import FrameSelector
from mmsearch.media.video import probe_video

if TYPE_CHECKING:
    from pathlib import Path

    from mmsearch.media.speech.recognise import SpeechRecogniser

WINDOW = 60.0
"""Seconds of a video that are committed at once where no speech is recognised."""


@dataclass(frozen=True, slots=True)
class _Media:
    """What a recording or video holds."""

    info: MediaInfo
    captions: tuple[str, ...]
    has_picture: bool
    has_sound: bool


@dataclass(frozen=True, slots=True)
class _Window:
    """A stretch of time that was read; everything before ``end`` is finished."""

    end: float
    drafts: list[Draft]
    language: str | None = None


@dataclass(slots=True)
class _Outcome:
    """What came of reading a file so far."""

    items: int = 0
    language: str | None = None
    problems: list[Exception] = field(default_factory=list)


class TimedMediaReader:
    """Reads recordings and videos into the catalog, one after the other."""

    def __init__(
        self,
        ledger: Ledger,
        encoder: DualEncoder,
        load_recogniser: Callable[[], SpeechRecogniser],
        max_megapixels: float,
    ) -> None:
        self._ledger = ledger
        self._encoder = encoder
        self._load_recogniser = load_recogniser
        self._max_megapixels = max_megapixels

    @cached_property
    def _recogniser(self) -> SpeechRecogniser | SpeechModelError:
        """Loaded for the first file that needs it, or why there is none."""
        try:
            return self._load_recogniser()
        except SpeechModelError as error:
            return error

    def read(self, job: Job) -> Iterator[float]:
        """Reads one file.

        Yields:
            The part of the file that is finished, 0 to 1.
        """
        ledger, file = self._ledger, job.file
        said = what_others_say(job, self._encoder.fits)
        ledger.put(ledger.companions(job, said))
        said = ledger.with_kept_captions(job, said)
        try:
            file = replace(file, content_hash=hash_file(job.location))
            media = self._open(job)
        except MediaError as error:
            ledger.put(ledger.fail(job, Unreadable.of(file, error)))
            ledger.commit_when_due()
            return
        recogniser = None if said.has_transcript or not media.has_sound else self._recogniser
        outcome = _Outcome()
        if isinstance(recogniser, SpeechModelError):
            outcome.problems.append(recogniser)
            recogniser = None
        elif recogniser is not None:
            file = replace(file, reading=recogniser.model.id)

        entry = None if outcome.problems else ledger.known_content(job, file, said)
        if entry is not None:
            ledger.put(entry, embed(self._encoder, entry.drafts))
            ledger.commit_when_due()
            return
        asset, start = self._begin(job, file, media, said, outcome)
        for window in self._windows(job.location, media, recogniser, start, outcome):
            items = embed(self._encoder, window.drafts)
            outcome.items += len(items)
            outcome.language = outcome.language or window.language
            ledger.extend_asset(asset, replace(file, read_until=window.end), items)
            duration = media.info.duration
            yield min(1.0, window.end / duration) if duration else 0.0
        self._finish(job, asset, file, media, outcome)

    def _open(self, job: Job) -> _Media:
        """Looks what there is to read in a file."""
        if job.kind is MediaKind.VIDEO:
            video = probe_video(job.location, max_megapixels=self._max_megapixels)
            if video.has_picture:
                return _Media(video.info, video.captions, True, video.has_sound)
        sound = probe_audio(job.location)
        if not sound.has_sound:
            raise NothingToIndexError("there is neither sound nor picture in it")
        return _Media(MediaInfo(duration=sound.duration), (), False, True)

    def _begin(
        self, job: Job, file: FileState, media: _Media, said: Said, outcome: _Outcome
    ) -> tuple[int, float]:
        """The asset to add items to, and where in the file to go on."""
        before = job.before
        if before is not None and before.file.read_until is not None:
            start = before.file.read_until
            if before.file == replace(file, read_until=start):
                outcome.items = len(self._ledger.catalog.items_of(before.id))
                return before.id, start
        captions = text_drafts(Modality.CAPTION, media.captions, self._encoder.fits)
        items = embed(self._encoder, without_repeats((*captions, *said.drafts)))
        outcome.items = len(items)
        return self._ledger.begin_asset(job, replace(file, read_until=0.0), media.info, items), 0.0

    def _windows(
        self,
        path: Path,
        media: _Media,
        recogniser: SpeechRecogniser | None,
        start: float,
        outcome: _Outcome,
    ) -> Iterator[_Window]:
        """Reads speech and frames; what is wrong with one is noted and does not end the other."""
        frames = self._frame_drafts(path, outcome) if media.has_picture else None
        if recogniser is not None:
            try:
                for chunk in recogniser.chunks(path, start=start, fits=self._encoder.fits):
                    drafts = [Draft.of(passage) for passage in chunk.passages]
                    if frames is not None:
                        drafts += frames(start, chunk.end)
                    yield _Window(chunk.end, drafts, chunk.language)
                    start = chunk.end
            except (MediaError, SpeechModelError) as error:
                outcome.problems.append(error)
        if frames is None:
            return
        duration = media.info.duration
        while duration is not None and start + WINDOW < duration:
            yield _Window(start + WINDOW, frames(start, start + WINDOW))
            start += WINDOW
        yield _Window(max(start, duration or start), frames(start, None))

    def _frame_drafts(
        self, path: Path, outcome: _Outcome
    ) -> Callable[[float, float | None], list[Draft]]:
        """Reads the frames of a stretch of a video."""
        transform = self._encoder.transform
        selector = FrameSelector(
            path,
            min_size=(transform.width, transform.height),
            max_megapixels=self._max_megapixels,
        )
        broken = False

        def frames(start: float, end: float | None) -> list[Draft]:
            nonlocal broken
            drafts: list[Draft] = []
            try:
                for frame in () if broken else selector.frames(start=start, end=end):
                    pixels = transform(frame.image)
                    drafts.append(Draft(Modality.FRAME, pixels, None, frame.start, frame.end))
            except MediaError as error:
                broken = True
                outcome.problems.append(error)
            return drafts

        return frames

    def _finish(
        self, job: Job, asset: int, file: FileState, media: _Media, outcome: _Outcome
    ) -> None:
        if not outcome.items and not outcome.problems:
            outcome.problems.append(NothingToIndexError(NO_SPEECH))
        if not outcome.items:
            failure = Unreadable.of(file, outcome.problems[0])
            self._ledger.put(self._ledger.fail(job, failure))
            return
        info = replace(media.info, language=outcome.language)
        problem = Unreadable.of(file, outcome.problems[0]) if outcome.problems else None
        self._ledger.end_asset(job, asset, file, info, problem)
