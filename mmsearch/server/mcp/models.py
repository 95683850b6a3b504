"""What the tools answer, as clients see it: the output schemas are made of these."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field


def _writable(value: Any) -> Any:
    """A text that can be sent: file names may hold bytes that are no UTF-8."""
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_writable)]


class Answer(BaseModel):
    """What a tool answers; what is not known is left out."""

    def as_json(self) -> dict[str, Any]:
        """As it is sent."""
        return self.model_dump(mode="json", exclude_none=True)


class FileFacts(Answer):
    """What a file tells about itself."""

    captured_at: str | None = Field(
        default=None, description="When it was taken, in the camera's local time."
    )
    width: int | None = Field(default=None, description="Pixels.")
    height: int | None = Field(default=None, description="Pixels.")
    latitude: float | None = Field(default=None, description="Degrees north.")
    longitude: float | None = Field(default=None, description="Degrees east.")
    camera: Text | None = None
    duration: float | None = Field(default=None, description="Seconds.")
    language: str | None = Field(default=None, description="Of what is spoken, ISO 639-1.")


class Moment(Answer):
    """A piece of a file: an item."""

    item: int = Field(description="Number of the item; what `look` and `explain` take.")
    modality: str = Field(description="image, caption, transcript, frame or ocr.")
    text: Text | None = Field(
        default=None, description="What is written or said there; not what a picture shows."
    )
    start: float | None = Field(default=None, description="Seconds into the recording or video.")
    end: float | None = Field(default=None, description="Likewise.")


class Found(Moment):
    """An item that a search found."""

    relevance: float | None = Field(
        default=None,
        description="Probability in 0..1 that it answers the query; missing for filters alone.",
    )


class SearchHit(FileFacts, Found):
    """A file with its best item."""

    rank: int = Field(description="1 for the best.")
    path: Text = Field(description="The file.")
    asset: int = Field(description="Number of the file.")
    others: list[Found] | None = Field(
        default=None, description="Other items of the same file that answer, best first."
    )
    copies: list[Text] | None = Field(
        default=None, description="Files that show the same and are no hits of their own."
    )


class SearchAnswer(Answer):
    """The hits of a search."""

    index: str = Field(description="Name of the index that was searched.")
    query: Text | None = None
    encoder: str = Field(description="The model that compares queries and items.")
    took_ms: float
    hits: list[SearchHit] = Field(description="Best first.")
    hidden: int = Field(
        description="How many more are near, but unlikely to answer; `all` lists them too."
    )


class Looked(FileFacts, Moment):
    """An item, its file, and what is around it."""

    path: Text = Field(description="The file.")
    asset: int = Field(description="Number of the file.")
    texts: list[Moment] = Field(
        description="What is written and said around it, in the order of the file."
    )
    picture: int | None = Field(
        default=None, description="Which of the pictures of this answer shows it, from 1."
    )
    unreadable: Text | None = Field(
        default=None, description="Why its picture cannot be shown; the rest is as indexed."
    )


class LookAnswer(Answer):
    """Items that were looked at."""

    index: str
    items: list[Looked]


class Word(Answer):
    """What a word does, told by leaving it out."""

    word: Text
    effect: float = Field(
        description="What the item's similarity loses without it, in standard deviations."
    )
    matched: bool = Field(description="Whether the item and the query share it.")


class TermEffect(Answer):
    """What one term of the query says of the item."""

    text: Text
    wanted: bool = Field(description="Whether hits show it, or must not.")
    weight: float
    rank: int | None = Field(default=None, description="Of the item for this term alone.")
    relevance: float | None = None
    standing: float = Field(
        description="How far its similarity is above other items', in standard deviations."
    )
    words: list[Word]


class ExplainAnswer(Moment):
    """Why an item answers a query as well as it does."""

    index: str
    query: Text
    path: Text
    rank: int | None = Field(default=None, description="Among all items, 1 for the best.")
    ranked: int = Field(description="How many items were ranked.")
    unranked: Text | None = Field(default=None, description="Why it has no rank.")
    relevance: float | None = None
    similarity: float = Field(description="Inner product of the query's and its embeddings.")
    standing: float = Field(
        description="How far its similarity is above other items', in standard deviations."
    )
    words_gain: float = Field(description="What it gains by words that it shares with the query.")
    coverage: float = Field(description="Share of the query's words, by weight, that it holds.")
    terms: list[TermEffect]
    words: list[Word] = Field(description="What each word of its own text does.")
    seen_at: list[float] | None = Field(
        default=None,
        description="Where in the picture the query is seen most: shares of its width and height.",
    )
    unreadable: Text | None = Field(default=None, description="Why its picture cannot be shown.")


class ServedIndex(Answer):
    """An index."""

    name: str
    default: bool = Field(description="Whether it is searched where no index is named.")
    encoder: str | None = None
    assets: int | None = Field(default=None, description="How many files can be found.")
    items: dict[str, int] | None = Field(default=None, description="How many, by modality.")
    failed: int | None = Field(default=None, description="Files that could not be read.")
    sources: list[Text] | None = Field(default=None, description="The folders and files indexed.")
    problem: Text | None = Field(default=None, description="Why it cannot be searched.")


class IndexesAnswer(Answer):
    """All indexes."""

    indexes: list[ServedIndex]
