"""What every room speaks of: items, their modalities, hits and reports, as plain dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal


class Modality(StrEnum):
    """What kind of thing an item is."""

    IMAGE = "image"
    CAPTION = "caption"
    TRANSCRIPT = "transcript"
    FRAME = "frame"
    OCR = "ocr"


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a file tells about itself, beside its content.

    Attributes:
        width: pixels, as displayed (after the EXIF orientation is applied).
        height: pixels, as displayed.
        captured_at: when it was taken, in the camera's local time (naive).
        latitude: degrees north, WGS 84, -90 to 90.
        longitude: degrees east, WGS 84, -180 to 180.
        camera: maker and model, for instance ``"Canon EOS 40D"``.
        duration: seconds of a recording or video.
        language: ISO 639-1 code of what is spoken, for instance ``"en"``.
    """

    width: int | None = None
    height: int | None = None
    captured_at: datetime | None = None
    latitude: float | None = None
    longitude: float | None = None
    camera: str | None = None
    duration: float | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of text in an asset, of the size of one item.

    Attributes:
        modality: caption, transcript or ocr.
        text: never empty, without surrounding white space.
        start: seconds into timed media; None where it is not known.
        end: seconds into timed media; None where it is not known.
    """

    modality: Modality
    text: str
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not be read, and why."""

    path: Path
    reason: str


def middle(start: float | None, end: float | None) -> float:
    """The second at which to look at a stretch of a video: a scene begins in a transition at times.

    Args:
        start: seconds into it; None for its beginning.
        end: likewise; None for what is a moment.
    """
    first = start or 0.0
    return first if end is None else (first + end) / 2


@dataclass(frozen=True, slots=True)
class Hit:
    """One returned result of a search: the best item of an asset.

    Attributes:
        rank: 1 for the best.
        score: what the first stage orders hits by, from meaning and words together; comparable
            only within one query. Hits that were ``reranked`` are ordered by that instead.
        relevance: calibrated probability in 0..1 that the hit answers the query.
        path: the asset's file.
        modality: what kind of item was hit.
        item: the item's id, stable while the file stays in the index.
        asset: the asset's id, likewise.
        text: what was written or said, where the item has text.
        start: seconds into timed media.
        end: seconds into timed media.
        info: what the file tells about itself.
        similarity: inner product of the item's and the query's unit vectors, comparable only
            within one query and modality; None where the query has no vector.
        reranked: what the reranker scores the hit, comparable only within one query; None where
            none judged it.
        answered: calibrated probability in 0..1 that anything of the hit's medium, pictures or
            texts, answers the query: where it is low, even the best hit is there by chance. None
            where that cannot be told, as of photos that are found by a photo.
        others: the other items of the asset that answer the query, best first; their ranks
            count within the asset.
        copies: the hits that show the same and are folded into this one, best first; their
            ranks are those that they would have had.
    """

    rank: int
    score: float
    relevance: float | None
    path: Path
    modality: Modality
    item: int
    asset: int
    text: str | None = None
    start: float | None = None
    end: float | None = None
    info: MediaInfo = field(default_factory=MediaInfo)
    similarity: float | None = None
    reranked: float | None = None
    answered: float | None = None
    others: tuple[Hit, ...] = ()
    copies: tuple[Hit, ...] = ()


class Match(StrEnum):
    """How closely a file is the same as another one; each includes those before it."""

    EXACT = "exact"
    """The same content, byte for byte."""
    NEAR = "near"
    """The same photo, resized, recompressed, converted, brightened or slightly cropped."""
    BURST = "burst"
    """The same scene, taken by the same camera within two seconds."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A file of which there are several.

    Attributes:
        path: the file.
        asset: the asset's id.
        match: how closely it is the same as the best of its group; None for the best itself.
        bytes: the file's size.
        width: pixels as displayed; None for what is no photo or video.
        height: likewise.
        captured_at: when it was taken, in the camera's local time.
        modified_at: when the file was last changed, in UTC.
    """

    path: Path
    asset: int
    match: Match | None
    bytes: int
    width: int | None
    height: int | None
    captured_at: datetime | None
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Files that are the same.

    Attributes:
        best: the one with the most pixels, and of those the oldest.
        reason: why that one is the best, for instance ``largest``.
        copies: the others, best first. Each one was compared with the best itself.
    """

    best: Duplicate
    reason: str
    copies: tuple[Duplicate, ...]


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What there is several times in an index.

    Attributes:
        groups: those with the most copies first.
        left_out: files that are gone, or have changed since they were indexed, with the reason.
            They are in no group: a copy of what is no longer there may be the last one.
    """

    groups: tuple[DuplicateGroup, ...]
    left_out: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What one indexing run did, counted in assets.

    Attributes:
        added: new in the index.
        updated: changed content, or the same content under a new path.
        removed: no longer there.
        unchanged: left alone.
        failed: files that could not be read, with their reasons.
        other_kinds: counts of files that were left alone because nothing in them can be searched,
            by suffix (lower case, "" for none), most frequent first.
        unmatched_captions: captions in caption files whose photos are not in the index.
        seconds: wall time.
        items_per_second: items embedded and committed per second of wall time.
    """

    added: int = 0
    updated: int = 0
    removed: int = 0
    unchanged: int = 0
    failed: tuple[Failure, ...] = ()
    other_kinds: Mapping[str, int] = field(default_factory=dict)
    unmatched_captions: int = 0
    seconds: float = 0.0
    items_per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class VectorStoreStatus:
    """How the vectors of an index are arranged for searching.

    Attributes:
        kind: ``exact``: every search compares all of them; ``ivf``: an inverted file with scalar
            quantisation picks those that are compared.
        vectors: how many there are.
        memory: bytes that searches read again and again; the system keeps them in memory while
            there is room.
        bytes: on disk.
        recall: share of the ten nearest that a search finds on average: 1 where it is exact,
            else measured when the vectors were arranged.
        target: the recall that they are arranged for.
        memory_limit: the bytes of memory that they are arranged for, where that was wished.
        clusters: into which the vectors are put; 0 where there are none.
        code_bytes: that each vector takes in memory; 0 where there are no codes.
        scanned: vectors whose codes a search looks at, at least.
        rescored: of these, how many are compared exactly, at least.
        pending: vectors that came after the clusters were made, and are all compared.
    """

    kind: Literal["exact", "ivf"]
    vectors: int
    memory: int
    bytes: int
    recall: float
    target: float
    memory_limit: int | None = None
    clusters: int = 0
    code_bytes: int = 0
    scanned: int = 0
    rescored: int = 0
    pending: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """What an index holds.

    Attributes:
        assets: files that are searchable.
        items: count of each modality that occurs.
        failed: files that could not be read, with their reasons.
        encoder: id of the encoder that made the embeddings.
        bytes: size of the index directory's own files on disk.
        sources: the folders and files that were indexed.
        vectors: how the vectors are arranged for searching; None while none are saved.
    """

    assets: int
    items: dict[Modality, int]
    failed: tuple[Failure, ...]
    encoder: str
    bytes: int
    sources: tuple[Path, ...]
    vectors: VectorStoreStatus | None = None
