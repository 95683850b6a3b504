"""The front door of the Python library: `create`, `open` and `Index`.

It joins the rooms and holds no logic of its own; the command line and the server stand on it too.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from mmsearch.errors import EncoderMismatchError, QueryError
from mmsearch.index import IndexDirectory
from mmsearch.ingest.identity import known_identity, stored_identity
from mmsearch.items import Duplicates, IndexReport, Match, Modality, Status, VectorStoreStatus
from mmsearch.results.hits import Hits
from mmsearch.settings import DEFAULT_MAX_MEGAPIXELS, load_settings
from mmsearch.vectors.base import DEFAULT_RECALL

if TYPE_CHECKING:
    from mmsearch.catalog.reader import CatalogReader
    from mmsearch.encoders.base import Device, DualEncoder
    from mmsearch.index import Snapshot
    from mmsearch.ingest.pipeline import Request
    from mmsearch.ingest.run import Progress
    from mmsearch.ingest.speech import Speech
    from mmsearch.ingest.watch import Pace, Through
    from mmsearch.media.ocr import TextReader
    from mmsearch.search.explain.explanation import Explanation
    from mmsearch.search.rerank.base import Reranker
    from mmsearch.search.rerank.registry import LoadedRerankers
    from mmsearch.search.together import TextsTogether

StrPath = str | os.PathLike[str]


def create(
    name_or_path: StrPath, *, model: str | DualEncoder = "auto", device: Device = "auto"
) -> Index:
    """Makes an empty index.

    Args:
        name_or_path: a path, or the bare name of one of the user's own indexes.
        model: what ``--model`` takes, or an encoder.
        device: where the encoder runs.

    Raises:
        IndexExistsError: there is one already.
        EncoderError: the encoder cannot be loaded.
    """
    encoder = _load(model, device) if isinstance(model, str) else model
    directory = IndexDirectory.create(_index_path(name_or_path), stored_identity(encoder))
    return Index(directory, encoder=encoder, device=device)


def open(
    name_or_path: StrPath, *, device: Device = "auto", encoder: DualEncoder | None = None
) -> Index:
    """Opens an existing index. Its encoder is loaded when it is first needed.

    Args:
        name_or_path: a path, or the bare name of one of the user's own indexes.
        device: where the encoder runs.
        encoder: the encoder that the index was made with, where it is at hand already or is one
            of your own.

    Raises:
        IndexNotFoundError: there is none.
        IndexFormatError: a newer mmsearch made it, or it is no index.
        IndexDamagedError: its catalog cannot be read.
        EncoderMismatchError: ``encoder`` did not make the index.
    """
    directory = IndexDirectory(_index_path(name_or_path))
    if encoder is not None:
        with directory.reading() as reader:
            made_with = reader.encoder().id
        if encoder.id != made_with:
            directory.close()
            raise EncoderMismatchError(
                f"This index was made with the encoder {made_with}, not {encoder.id}; "
                "Index.reencode changes the encoder of an index."
            )
    return Index(directory, encoder=encoder, device=device)


class Index:
    """A searchable index; made by `create` or `open`, closed by ``with`` or `close`.

    Attributes:
        max_megapixels: larger images are refused, when indexing and as queries.
        speech_model: recognises speech: ``auto``, the name of a Whisper model, or a path. Where
            it is not ``auto``, what other models recognised is recognised again.
        jobs: how many processor cores indexing uses; None for all that the process may use.
    """

    def __init__(
        self,
        directory: IndexDirectory,
        *,
        encoder: DualEncoder | None = None,
        device: Device = "auto",
    ) -> None:
        self.max_megapixels = DEFAULT_MAX_MEGAPIXELS
        self.speech_model = "auto"
        self.jobs: int | None = None
        self._directory = directory
        self._encoder = encoder
        self._loading = threading.Lock()
        self._device: Device = device

    @cached_property
    def together(self) -> TextsTogether:
        """Lets several threads use the encoder, texts in batches; tells the sizes of these."""
        from mmsearch.search.together import TextsTogether

        return TextsTogether()

    @property
    def path(self) -> Path:
        """The index directory."""
        return self._directory.path

    @property
    def encoder(self) -> DualEncoder:
        """The encoder that made the index's embeddings, loaded when first used.

        Another one is loaded where another process has re-encoded the index meanwhile.

        Raises:
            EncoderMismatchError: it is no longer the one that made the embeddings.
            EncoderError: it cannot be loaded.
        """
        with self._loading:
            with self._directory.reading() as reader:
                stored = reader.encoder()
            if self._encoder is None or self._encoder.id != stored.id:
                from mmsearch.encoders.text_onnx.encoder import open_for_queries

                self._encoder = open_for_queries(
                    known_identity(stored), self.path, dim=stored.dim, device=self._device
                )
            return self._encoder

    @property
    def encoder_id(self) -> str:
        """Id of the encoder that made the index's embeddings; nothing is loaded."""
        with self._directory.reading() as reader:
            return reader.encoder().id

    @cached_property
    def _speech(self) -> Speech:
        from mmsearch.ingest.speech import Speech

        return Speech(self._device)

    def add(
        self,
        *paths: StrPath,
        exclude: Sequence[str] | None = None,
        captions: Sequence[StrPath] = (),
        ocr: bool | None = None,
        progress: Progress | None = None,
    ) -> IndexReport:
        """Makes folders and files searchable, or brings them up to date.

        Only what changed is read. Files that cannot be read are reported, never raised.

        Args:
            paths: folders and files; they become sources of the index.
            exclude: glob patterns to leave out of these sources from now on; None keeps theirs.
            captions: files that hold captions of the photos in these sources, from now on: TSV,
                CSV, JSON Lines, COCO or Karpathy JSON, Parquet, webdataset tar.
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
            [_absolute(path) for path in paths],
            exclude=exclude,
            caption_files=[_absolute(path) for path in captions],
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
            [_absolute(path) for path in paths],
            Request(max_megapixels=self.max_megapixels, jobs=self.jobs),
            pace=pace or Pace(),
            polling=polling,
            stop=stop or threading.Event(),
        )

    def search(
        self,
        text: str | None = None,
        *,
        image: StrPath | None = None,
        audio: StrPath | None = None,
        modality: Modality | str | None = None,
        folder: StrPath | None = None,
        k: int = 10,
        grouped: bool = True,
        rerank: str | Reranker | None = None,
        budget: float | None = None,
        fold: bool = True,
        diverse: bool = False,
        min_relevance: float = 0.0,
        files: bool = False,
        more_like: Sequence[StrPath | int] = (),
        less_like: Sequence[StrPath | int] = (),
    ) -> Hits:
        """Finds what means the same as a text or a spoken question, or looks like an image.

        Words are looked up too, in captions, transcripts, recognised text and names of files
        and folders. Phrases in quotation marks, and beginnings of words that end in an asterisk,
        must occur.

        Args:
            text: what to look for, in the query language: ``beach -people type:image``; see
                ``docs/query-language.md``. `mmsearch.literal` quotes a text that is none of it.
            image: path of a picture to look for; beside a text, both count.
            audio: path of a recording that says what to look for, instead of a text.
            modality: only items of this modality.
            folder: only files in this folder and below.
            k: at most so many hits.
            grouped: a hit for each file, with its other items listed; else a hit for each item.
            rerank: looks at the best hits again: what ``--rerank`` takes, or a reranker. Where
                it fails on them, a notice says so and the hits are the first stage's.
            budget: seconds that reranking may take; hits that it does not come to keep the first
                stage's places. None for as long as it needs; ``auto`` then takes a second.
            fold: copies of a photo and shots of one burst become one hit, which lists them.
            diverse: hits that differ from each other, rather than the very best ones.
            min_relevance: hits whose relevance is lower are passed over; others are looked for
                among some 40 more.
            files: whether names of image files in the text stand for the pictures, as on the
                command line; not for texts of people whose files these are not.
            more_like: earlier hits to find more of, by their files' paths or items' ids; also
                without a text.
            less_like: earlier hits to find less of, likewise; they leave the results.

        Returns:
            The hits, best first; the newest first where the text only filters; diverse ones in
            the order they were chosen. Notebooks show this list with pictures.

        Raises:
            QueryError: nothing is asked, or a recording beside something else, no speech is in the
                recording, or no folder or item of this name is indexed.
            QuerySyntaxError: a part of the text cannot be understood; the message points at it.
            SourceNotFoundError: the image or recording is not there.
            MediaError: the image or recording cannot be read.
            SpeechModelError: there is no speech model for a recording.
            EncoderError: the index's encoder cannot be loaded.
            RerankerError: there is no such reranker, or it does not go with the encoder.
        """
        from mmsearch.search.answer import answer
        from mmsearch.search.feedback import Feedback
        from mmsearch.search.language.literal import literal
        from mmsearch.search.query import Query

        if audio is not None and text is None and image is None:
            text, audio = literal(self.transcribe(audio)), None
        query = Query(
            text=text,
            image=None if image is None else _absolute(image),
            audio=None if audio is None else _absolute(audio),
            modality=None if modality is None else _modality(modality),
            folder=None if folder is None else _in_home(folder),
            files=files,
            feedback=Feedback(tuple(map(_item_name, more_like)), tuple(map(_item_name, less_like))),
        )
        hits = answer(
            self._directory,
            lambda: self.encoder,
            query,
            k,
            grouped=grouped,
            reranker_for=None if rerank in (None, "none") else partial(self._reranker, rerank),
            budget=budget,
            fold=fold,
            diverse=diverse,
            min_relevance=min_relevance,
            max_megapixels=self.max_megapixels,
            together=self.together,
        )
        return Hits(hits)

    def explain(
        self,
        item: StrPath | int,
        text: str,
        *,
        rerank: str | Reranker | None = None,
        files: bool = False,
    ) -> Explanation:
        """Why an item answers a query as well as it does.

        Args:
            item: an indexed file, whose best item is explained, or an item's id.
            text: the query, as for `search`.
            rerank: also tells what this reranker scores it, if it is among the best: what
                ``--rerank`` takes, or a reranker.
            files: as for `search`.

        Returns:
            Its scores and ranks, what each word and each term of the query does, and where in
            its picture or text.

        Raises:
            QueryError: the item is not in the index, the query is empty or only filters.
            QuerySyntaxError: a part of the query cannot be understood; the message points at it.
            MediaError: an image that the query names cannot be read. A picture of the item that
                cannot be read is no error: the explanation says so.
            EncoderError: the index's encoder cannot be loaded.
            RerankerError: there is no such reranker, or it does not go with the encoder.
        """
        from mmsearch.search.explain.explain import explain
        from mmsearch.search.query import Query

        rerank_best = partial(
            self.search, text, rerank=rerank, k=100, grouped=False, fold=False, files=files
        )
        return explain(
            self._directory,
            lambda: self.together.of(self.encoder),
            Query(text=text, files=files),
            _item_name(item),
            rerank=None if rerank in (None, "none") else rerank_best,
            max_megapixels=self.max_megapixels,
        )

    def transcribe(self, audio: StrPath) -> str:
        """What is said in a recording, as it is searched for.

        Raises:
            SourceNotFoundError: the recording is not there.
            MediaError: it cannot be read.
            SpeechModelError: there is no speech model.
            QueryError: no speech was recognised in it.
        """
        return self._speech.transcribe(_absolute(audio), self.speech_model)

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

        return remove_paths(self._directory, [_absolute(path) for path in paths])

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

        encoder = _load(model, self._device) if isinstance(model, str) else model
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

    def status(self) -> Status:
        """What the index holds."""
        vectors = self._directory.vectors_status()
        with self._directory.reading() as reader:
            return Status(
                assets=reader.count_assets(),
                items=reader.count_items(),
                failed=tuple(reader.failures()),
                encoder=reader.encoder().id,
                bytes=self._directory.bytes(),
                sources=tuple(reader.sources().values()),
                vectors=vectors,
            )

    def reading(self) -> AbstractContextManager[CatalogReader]:
        """Holds the newest generation of the catalog still, to look things up in it."""
        return self._directory.reading()

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Holds the newest generation still, with its vectors and the columns of its items."""
        return self._directory.snapshot()

    def duplicates(
        self,
        *,
        match: Match | str = Match.NEAR,
        folder: StrPath | None = None,
        progress: Progress | None = None,
    ) -> Duplicates:
        """Lists what there is several times; nothing is deleted.

        Args:
            match: how closely files must be the same: ``exact``, ``near`` or ``burst``.
            folder: only files in this folder and below.
            progress: called with the photos that were looked at, and all of them.

        Raises:
            QueryError: there is no such match, or nothing is indexed in the folder.
        """
        from mmsearch.ingest.fingerprints import complete_fingerprints
        from mmsearch.ingest.run import no_progress
        from mmsearch.search.duplicates.listing import list_duplicates

        kind = _match(match)
        if kind is not Match.EXACT:
            complete_fingerprints(
                self._directory,
                max_megapixels=self.max_megapixels,
                progress=progress or no_progress,
            )
        return list_duplicates(
            self._directory,
            match=kind,
            folder=None if folder is None else _in_home(folder),
            progress=progress or no_progress,
        )

    def optimize(
        self,
        *,
        recall: float = DEFAULT_RECALL,
        memory: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> VectorStoreStatus:
        """Arranges the vectors of a large index for fast search, as is wished from now on.

        An index does so by itself when it has grown; this says for what. Searches go on
        meanwhile. A small index compares all vectors, and needs no arranging.

        Args:
            recall: share of the ten nearest that searches are to find, on average; 1 compares
                all vectors however many there are.
            memory: bytes that searches may keep in memory; None for what the recall takes.
            progress: called with the vectors done and all of them, from the beginning again
                where a second attempt is needed.

        Returns:
            What came out of it; ``recall`` tells what was reached.

        Raises:
            SettingsError: the recall or the memory is out of range, or too little for all vectors.
            IndexLockedError: another process is writing to the index.
            StorageError: nothing can be written.
        """
        from mmsearch.vectors.base import Wish

        self._directory.optimize(Wish.checked(recall, memory), progress)
        found = self._directory.vectors_status()
        assert found is not None  # they were saved just now
        return found

    def verify(self) -> list[str]:
        """Looks for damage in the index; empty when all is well."""
        return self._directory.verify()

    def repair(self) -> None:
        """Rebuilds the vector store from the catalog."""
        self._directory.repair()

    def close(self) -> None:
        """Closes the index's files."""
        self._directory.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<mmsearch.Index at {self.path}>"

    @cached_property
    def _rerankers(self) -> LoadedRerankers:
        from mmsearch.search.rerank.registry import LoadedRerankers

        return LoadedRerankers(self._device)

    def _reranker(self, rerank: str | Reranker, encoder: DualEncoder) -> Reranker:
        return self._rerankers.get(rerank, encoder) if isinstance(rerank, str) else rerank

    def _update(self, request: Request, progress: Progress | None) -> IndexReport:
        from mmsearch.encoders.text_onnx.encoder import whole
        from mmsearch.encoders.text_onnx.kept import keep_text_tower
        from mmsearch.ingest.pipeline import update_index
        from mmsearch.ingest.run import Models
        from mmsearch.media.ocr import require_text_reader

        if request.ocr:
            require_text_reader()
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


def _index_path(name_or_path: StrPath) -> Path:
    return load_settings().index_path(
        name_or_path if isinstance(name_or_path, str) else Path(name_or_path)
    )


def _absolute(path: StrPath) -> Path:
    # Not resolve(): a link that the user names is the user's name for the place.
    return Path(os.path.abspath(_in_home(path)))  # noqa: PTH100


def _in_home(path: StrPath) -> Path:
    # Not Path.expanduser(): a file may be called "~draft.jpg" where no user is called "draft".
    return Path(os.path.expanduser(path))  # noqa: PTH111


def _item_name(item: StrPath | int) -> str:
    """How `mmsearch.search.reference` knows an item."""
    return f"#{item}" if isinstance(item, int) else os.fspath(item)


def _modality(name: Modality | str) -> Modality:
    try:
        return Modality(name)
    except ValueError:
        known = ", ".join(Modality)
        raise QueryError(f"There is no modality {name!r}; known are {known}.") from None


def _match(name: Match | str) -> Match:
    try:
        return Match(name)
    except ValueError:
        known = ", ".join(Match)
        raise QueryError(f"There is no match {name!r}; known are {known}.") from None


def _load(model: str, device: Device) -> DualEncoder:
    from mmsearch.encoders.registry import load

    return load(model, device=device)
