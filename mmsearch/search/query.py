"""What is asked of an index."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from mmsearch.errors import QueryError
from mmsearch.items import Modality
from mmsearch.search.feedback import Feedback
from mmsearch.search.language.conditions import InFolder, OfModality
from mmsearch.search.language.read import read_question
from mmsearch.search.language.tree import Filter, Question, Term


@dataclass(frozen=True, slots=True)
class Query:
    """One question: a text, an image, both, or a recording, and what may answer it.

    Attributes:
        text: what to look for, in the query language: see `mmsearch.search.language`.
        image: what to look for, as a picture's path; beside a text, both count.
        audio: what to look for, as the path of a recording that says it; it must become a text
            before it is searched for.
        modality: only items of this modality.
        folder: only items of files in this folder and below.
        files: whether names of image files in the text stand for the pictures.
        feedback: what was said of items that earlier queries found.
    """

    text: str | None = None
    image: Path | None = None
    audio: Path | None = None
    modality: Modality | None = None
    folder: Path | None = None
    files: bool = False
    feedback: Feedback = field(default_factory=Feedback)

    def __post_init__(self) -> None:
        asked = (self.text, self.image, self.audio)
        if (asked.count(None) == 3 and not self.feedback) or (
            self.audio is not None and asked.count(None) != 2
        ):
            raise QueryError("Give a text or an image to search for, or a recording alone.")
        if self.text is not None and not self.text.strip():
            raise QueryError("The query is empty: say what to look for.")


def read_query(query: Query) -> Question:
    """What a query says.

    Raises:
        QuerySyntaxError: an operator in its text cannot be understood.
        QueryError: it is a recording.
    """
    if query.audio is not None:
        raise QueryError("A recording must be transcribed before it is searched for.")
    question = Question("") if query.text is None else read_question(query.text, files=query.files)
    if query.image is not None:
        question = replace(question, wanted=(*question.wanted, Term(query.image, None)))
    filters = list(question.filters)
    if query.modality is not None:
        filters.append(Filter(OfModality(frozenset((query.modality,))), None))
    if query.folder is not None:
        filters.append(Filter(InFolder(query.folder), None))
    return replace(question, filters=tuple(filters))
