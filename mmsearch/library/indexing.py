"""Fills an index and keeps it current: `add`, `update`, `watch`, `remove`, `reencode`."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from mmsearch.errors import QueryError
from mmsearch.ingest.identity import stored_identity
from mmsearch.items import IndexReport
from mmsearch.library.opened import OpenedIndex, load_encoder
from mmsearch.paths import StrPath, each, on_disk

if TYPE_CHECKING:
    from mmsearch.encoders.base import DualEncoder
    from mmsearch.ingest.pipeline import Request
    from mmsearch.ingest.run import Progress
    from mmsearch.ingest.watch import Pace, Through
    from mmsearch.media.ocr import TextReader


class Indexing(OpenedIndex):
    """What brings files into an index, and takes them out."""

    def add(
        self,
        *paths: StrPath,
        exclude: str | Sequence[str] | None = None,
        captions: StrPath | Sequence[StrPath] = (),
        ocr: bool | None = None,
        progress: Progress | None = None,
    ) -> IndexReport:
        """Makes folders and files searchable, or brings them up to date.

        Only what changed is read. Files that cannot be read are reported, never raised.

        Args:
            paths: folders and files; they become sources of the index.
            exclude: glob patterns, or one, to leave out of these sources from now on; None keeps
                theirs.
            captions: files, or one, that hold captions of the photos in these sources, from now
                on: TSV, CSV, JSON Lines, COCO or Karpathy JSON, Parquet, webdataset tar.
            ocr: whether the text in these sources' photos is read, from now on; None keeps what
                was chosen before, which is at first not to.
            progress: called with the files done and the files to do; a part of a long recording
                counts as a part of a file.

        Raises:
            SourceNotFoundError: a path is not there.
            UnsupportedFormatError: a path is a file of a kind that cannot be searched.
            DatasetError: a caption file cannot be read.
            SettingsError: text in photos is to be read, and the extra for that is missing.
            SpeechModelError: `speech_model` names one that is not at hand.
            IndexLockedError: another process is writing to the index.
        """
        from mmsearch.ingest.pipeline import Request

        if not paths:
            raise QueryError("Name at least one folder or file to add.")
        request = Request(
            [on_disk(path) for path in paths],
            exclude=None if exclude is None else each(exclude),
            caption_files=[on_disk(path) for path in each(captions)],
            ocr=ocr,
            max_megapixels=self.max_megapixels,
            jobs=self.jobs,
        )
        return self._update(request, progress)

    def update(self, *, progress: Progress | None = None) -> IndexReport:
        """Brings all sources up to date; see `add`."""
        from mmsearch.ingest.pipeline import Request

        return self._update(Request(max_megapixels=self.max_megapixels, jobs=self.jobs), progress)

    def watch(
        self,
        *paths: StrPath,
        pace: Pace | None = None,
        polling: bool = False,
        stop: threading.Event | None = None,
        through: Through | None = None,
    ) -> Iterator[IndexReport]:
        """Makes folders searchable and keeps the index current as their files change.

        Iterate over it: runs are made in between, and closing the iterator ends it.

        Args:
            paths: folders and files; they become sources of the index. None means all sources,
                also those that are added later.
            pace: how often things are looked at, in seconds.
            polling: ask the system for no events, as for drives that report none; everything is
                looked at every ``pace.poll`` seconds. Network drives are found out by themselves
                where the system tells them.
            stop: ends it between two runs when it is set.
            through: makes each run, where it has to wait its turn or show its progress.

        Yields:
            The report of the first run, and of each one that changed something. Its ``failed``
            are those that were not reported before.

        Raises:
            MmsearchError: the first run fails, as of `add`. What fails later is a notice, and
                tried again.
        """
        from mmsearch.ingest.pipeline import Request
        from mmsearch.ingest.watch import Pace, at_once, watch_index

        run = through or at_once
        return watch_index(
            self._directory,
            lambda request: run(partial(self._update, request)),
            [on_disk(path) for path in paths],
            Request(max_megapixels=self.max_megapixels, jobs=self.jobs),
            pace=pace or Pace(),
            polling=polling,
            stop=stop or threading.Event(),
        )

    def remove(self, *paths: StrPath) -> int:
        """Takes files and folders out of the index; nothing on disk is touched.

        A path that is a source is forgotten as a whole. Files inside a source come back when the
        source is indexed again, unless they are excluded.

        Returns:
            How many assets were removed.

        Raises:
            SourceNotFoundError: nothing is indexed at one of the paths; nothing was removed.
        """
        from mmsearch.ingest.remove import remove_paths

        return remove_paths(self._directory, [on_disk(path) for path in paths])

    def reencode(self, model: str | DualEncoder, *, progress: Progress | None = None) -> None:
        """Changes the encoder; the old embeddings answer until the new ones are complete.

        Does nothing where the index has this encoder already. A run that was cut short goes on
        where it stopped.

        Args:
            model: what ``--model`` takes, or an encoder.
            progress: called with the items done and the items to do.
        """
        from mmsearch.encoders.text_onnx.kept import keep_text_tower
        from mmsearch.ingest.reencode import reencode

        encoder = load_encoder(model, self._device) if isinstance(model, str) else model
        stored = stored_identity(encoder)
        with self._directory.reading() as reader:
            before = reader.encoder()
        if before.id == stored.id:
            if before.spec != stored.spec:  # the same weights in another place
                with self._directory.writing() as catalog:
                    catalog.put_encoder_spec(stored.spec)
        else:
            reencode(
                self._directory,
                encoder,
                stored,
                max_megapixels=self.max_megapixels,
                jobs=self.jobs,
                progress=progress,
            )
        self._encoder = encoder
        keep_text_tower(encoder, self.path)

    def _update(self, request: Request, progress: Progress | None) -> IndexReport:
        from mmsearch.encoders.text_onnx.encoder import whole
        from mmsearch.encoders.text_onnx.kept import keep_text_tower
        from mmsearch.ingest.pipeline import update_index
        from mmsearch.ingest.run import Models

        recogniser = partial(self._speech.recogniser, self.speech_model)
        models = Models(lambda: whole(self.encoder), recogniser, _text_reader)
        at_hand = self._speech.models(self.speech_model)
        report = update_index(self._directory, models, at_hand, request, progress=progress)
        if self._encoder is not None:
            keep_text_tower(self._encoder, self.path)
        return report


def _text_reader() -> TextReader:
    from mmsearch.media.ocr import TextReader

    return TextReader()
