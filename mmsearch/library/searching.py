"""Asks an index: `search`, `explain`, `transcribe`, `duplicates`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import StrEnum
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

from mmsearch.errors import QueryError
from mmsearch.items import Duplicates, Match, Modality
from mmsearch.library.opened import OpenedIndex
from mmsearch.paths import StrPath, each, in_home, on_disk
from mmsearch.results.hits import Hits

if TYPE_CHECKING:
    from mmsearch.encoders.base import DualEncoder
    from mmsearch.ingest.run import Progress
    from mmsearch.search.explain.explanation import Explanation
    from mmsearch.search.rerank.base import Reranker
    from mmsearch.search.rerank.registry import LoadedRerankers

_Named = TypeVar("_Named", bound=StrEnum)


class Searching(OpenedIndex):
    """What finds things in an index."""

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
        more_like: StrPath | int | Sequence[StrPath | int] = (),
        less_like: StrPath | int | Sequence[StrPath | int] = (),
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
            image=None if image is None else on_disk(image),
            audio=None if audio is None else on_disk(audio),
            modality=None if modality is None else _one_of(Modality, modality, "modality"),
            folder=None if folder is None else in_home(folder),
            files=files,
            feedback=Feedback(
                more=tuple(map(_item_name, each(more_like))),
                less=tuple(map(_item_name, each(less_like))),
            ),
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
        return self._speech.transcribe(on_disk(audio), self.speech_model)

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

        kind = _one_of(Match, match, "match")
        if kind is not Match.EXACT:
            complete_fingerprints(
                self._directory,
                max_megapixels=self.max_megapixels,
                progress=progress or no_progress,
            )
        return list_duplicates(
            self._directory,
            match=kind,
            folder=None if folder is None else in_home(folder),
            progress=progress or no_progress,
        )

    @cached_property
    def _rerankers(self) -> LoadedRerankers:
        from mmsearch.search.rerank.registry import LoadedRerankers

        return LoadedRerankers(self._device)

    def _reranker(self, rerank: str | Reranker, encoder: DualEncoder) -> Reranker:
        return self._rerankers.get(rerank, encoder) if isinstance(rerank, str) else rerank


def _item_name(item: StrPath | int) -> str:
    """How `mmsearch.search.reference` knows an item."""
    return f"#{item}" if isinstance(item, int) else os.fspath(item)


def _one_of(names: type[_Named], name: str, what: str) -> _Named:
    try:
        return names(name)
    except ValueError:
        known = ", ".join(names)
        raise QueryError(f"There is no {what} {name!r}; known are {known}.") from None
