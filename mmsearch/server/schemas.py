"""The bodies of the API's answers, as its OpenAPI document describes them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from mmsearch.items import Match, Modality


class IndexSummary(BaseModel):
    """An index that is served."""

    name: str = Field(description="What stands for it in paths.")
    path: str = Field(description="Its directory on the server's machine.")
    encoder: str = Field(description="Id of the encoder that made its embeddings.")
    assets: int = Field(description="Files that are searchable.")
    items: dict[Modality, int] = Field(description="Items of each modality that occurs.")
    generation: int = Field(description="Grows with every change of the index.")
    default: bool = Field(description="Whether it is the default index.")


class IndexList(BaseModel):
    """The indexes that are served."""

    indexes: list[IndexSummary]


class FailedFile(BaseModel):
    """A file that could not be read, or is left out."""

    path: str
    reason: str


class IndexStatus(BaseModel):
    """What an index holds."""

    assets: int
    items: dict[Modality, int]
    failed: list[FailedFile]
    encoder: str
    bytes: int = Field(description="Size of the index's own files.")
    sources: list[str] = Field(description="The folders and files that were indexed.")
    generation: int


class FileInfo(BaseModel):
    """What a file tells about itself."""

    captured_at: str | None = Field(description="When it was taken, the camera's local time.")
    width: int | None = Field(description="Pixels, as displayed.")
    height: int | None = Field(description="Pixels, as displayed.")
    latitude: float | None = Field(description="Degrees north, WGS 84.")
    longitude: float | None = Field(description="Degrees east, WGS 84.")
    camera: str | None = Field(description="Maker and model.")
    duration: float | None = Field(description="Seconds.")
    language: str | None = Field(description="ISO 639-1 code of what is spoken.")


class Place(BaseModel):
    """An item, and where to see or hear it."""

    path: str = Field(description="The asset's file on the server's machine.")
    name: str = Field(description="The file's name.")
    modality: Modality
    item: int = Field(description="Id of the item.")
    asset: int = Field(description="Id of the asset.")
    text: str | None = Field(description="What is written or said.")
    start: float | None = Field(description="Seconds into timed media.")
    end: float | None = Field(description="Seconds into timed media.")
    thumbnail: str | None = Field(
        description="URL, which changes with what it shows; null where there is no picture."
    )
    media: str = Field(description="URL of the file.")


class HitItem(Place):
    """An item that was found."""

    rank: int = Field(description="1 for the best.")
    score: float = Field(description="What hits are ordered by; comparable within one query.")
    similarity: float | None = Field(description="Inner product with the query.")
    reranked: float | None = Field(description="The reranker's score.")
    relevance: float | None = Field(description="Probability that it answers, 0 to 1.")
    answered: float | None = Field(
        description="Probability that anything of its medium answers, 0 to 1."
    )


class SearchHit(HitItem, FileInfo):
    """The best item of an asset."""

    others: list[HitItem] = Field(description="Further items of the asset that answer.")
    copies: list[HitItem] = Field(description="Hits that show the same, folded into this one.")


class Span(BaseModel):
    """Where something stands in the query."""

    position: int | None = Field(description="Its first character, from 0; null if not typed.")
    length: int | None = Field(description="Characters from its first to its last.")


class UnderstoodTerm(Span):
    """One thing that is looked for, or must not be there."""

    text: str = Field(description="What it is about.")
    kind: Literal["text", "items"] = Field(
        description="Words to look for, or items of the index to find more like."
    )
    wanted: bool
    weight: float = Field(description="What it counts beside the other terms.")


class UnderstoodFilter(Span):
    """A condition that every hit meets."""

    text: str = Field(description="As it was typed.")
    key: str = Field(description="What it is about, for instance `type`.")
    value: str
    negated: bool


class Understood(BaseModel):
    """What the query language made of a query."""

    text: str = Field(description="As it was typed.")
    terms: list[UnderstoodTerm]
    phrases: list[str] = Field(
        description="Phrases, and beginnings of words (with `*`), that must occur."
    )
    filters: list[UnderstoodFilter]
    notices: list[str] = Field(description="What may have been meant otherwise.")


class SearchAnswer(BaseModel):
    """What was found."""

    query: str | None
    encoder: str
    took_ms: float
    generation: int = Field(description="Of the index, when it was searched.")
    hits: list[SearchHit] = Field(description="Best first.")
    hidden: int = Field(description="Hits among these ranks that hardly answer; `all` shows them.")
    understood: Understood | None = Field(description="Null where no text was asked.")
    heard: str | None = Field(default=None, description="What a recording was understood to say.")


class ItemAnswer(Place, FileInfo):
    """An item."""


class AssetAnswer(FileInfo):
    """A file and its items."""

    asset: int
    path: str
    name: str
    bytes: int = Field(description="Size of the file, when it was read.")
    modified_at: str = Field(description="When it was last changed then, UTC.")
    failure: str | None = Field(description="Why it could not be read, wholly or in part.")
    thumbnail: str | None
    media: str
    items: list[Place] = Field(description="In the order of their time, then of their ids.")


class FacetCount(BaseModel):
    """How many files have a value."""

    value: str
    assets: int


class FolderCount(BaseModel):
    """How many files lie directly in a folder."""

    path: str
    name: str = Field(description="Within its source, for instance `2024/beach`.")
    assets: int


class Facets(BaseModel):
    """Counts of files; one that has items of two modalities counts in both."""

    assets: int
    types: list[FacetCount] = Field(description="By modality.")
    folders: list[FolderCount] = Field(description="Those with the most files first.")
    more_folders: int = Field(description="Folders that are not listed.")
    years: list[FacetCount] = Field(description="By year taken, the newest first.")
    undated: int = Field(description="Files that do not say when they were taken.")


class DuplicateFile(BaseModel):
    """A file of which there are several."""

    path: str
    name: str
    asset: int
    bytes: int
    width: int | None
    height: int | None
    captured_at: str | None
    modified_at: str
    thumbnail: str | None
    media: str


class DuplicateCopy(DuplicateFile):
    """A file that is the same as the best of its group."""

    match: Match | None


class DuplicateGroup(BaseModel):
    """Files that are the same."""

    reason: str = Field(description="Why the best is the best.")
    best: DuplicateFile
    copies: list[DuplicateCopy]


class DuplicatesAnswer(BaseModel):
    """What there is several times; nothing is ever deleted."""

    groups: list[DuplicateGroup] = Field(description="Those with the most copies first.")
    left_out: list[FailedFile] = Field(description="Files that are gone or have changed.")


class WordEffect(BaseModel):
    """What a word does, told by leaving it out."""

    word: str
    start: int
    end: int
    effect: float
    matched: bool


class Regions(BaseModel):
    """Where in a picture the query is seen."""

    peak: list[float] = Field(description="From the left and the top, 0 to 1.")
    share: float = Field(description="Of the picture that stands out.")
    similarities: list[list[float]] = Field(description="Of a grid of places, from the top left.")


class TermEvidence(BaseModel):
    """What one term of the query says of the item."""

    text: str
    wanted: bool
    weight: float
    rank: int | None
    relevance: float | None
    similarity: float | None
    standing: float | None
    words: list[WordEffect]
    regions: Regions | None


class ExplanationAnswer(Place):
    """Why an item answers a query as well as it does."""

    query: str
    encoder: str
    ranked: int
    rank: int | None
    unranked: str | None
    score: float | None
    relevance: float | None
    similarity: float | None
    standing: float | None
    words_gain: float | None
    coverage: float | None
    reranked: float | None
    reranked_rank: int | None
    terms: list[TermEvidence]
    words: list[WordEffect]
    regions: Regions | None
    unreadable: str | None


def answers(model: type[BaseModel], description: str) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route whose success has this body."""
    return {200: {"model": model, "description": description}}
