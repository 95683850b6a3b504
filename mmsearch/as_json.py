"""Results as plain values, for JSON: the same names on the command line and over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mmsearch.items import (
    Duplicate,
    Duplicates,
    Failure,
    Hit,
    IndexReport,
    MediaInfo,
    Status,
    VectorStoreStatus,
)

if TYPE_CHECKING:
    from mmsearch.search.explain.explanation import (
        Explanation,
        RegionMap,
        TermEvidence,
        WordEffect,
    )


def hit_as_json(hit: Hit) -> dict[str, Any]:
    """A hit with what its file tells, the other items of its asset, and its copies."""
    return {
        **hit_item_as_json(hit),
        **info_as_json(hit.info),
        "others": [hit_item_as_json(other) for other in hit.others],
        "copies": [hit_item_as_json(copy) for copy in hit.copies],
    }


def hit_item_as_json(hit: Hit) -> dict[str, Any]:
    """A hit alone."""
    return {
        "rank": hit.rank,
        "score": round(hit.score, 6),
        "similarity": _rounded(hit.similarity),
        "reranked": _rounded(hit.reranked),
        "relevance": None if hit.relevance is None else round(hit.relevance, 4),
        "answered": None if hit.answered is None else round(hit.answered, 4),
        "path": str(hit.path),
        "modality": hit.modality.value,
        "item": hit.item,
        "asset": hit.asset,
        "text": hit.text,
        "start": hit.start,
        "end": hit.end,
    }


def info_as_json(info: MediaInfo) -> dict[str, Any]:
    """What a file tells about itself; times in ISO 8601."""
    taken = info.captured_at
    return {
        "captured_at": None if taken is None else taken.isoformat(),
        "width": info.width,
        "height": info.height,
        "latitude": info.latitude,
        "longitude": info.longitude,
        "camera": info.camera,
        "duration": info.duration,
        "language": info.language,
    }


def failures_as_json(failed: Sequence[Failure]) -> list[dict[str, str]]:
    """Files that could not be read, or are left out."""
    return [{"path": str(failure.path), "reason": failure.reason} for failure in failed]


def report_as_json(report: IndexReport) -> dict[str, Any]:
    """What an indexing run did."""
    return {
        "added": report.added,
        "updated": report.updated,
        "removed": report.removed,
        "unchanged": report.unchanged,
        "failed": failures_as_json(report.failed),
        "seconds": round(report.seconds, 3),
        "items_per_second": round(report.items_per_second, 1),
    }


def status_as_json(status: Status) -> dict[str, Any]:
    """What an index holds."""
    return {
        "assets": status.assets,
        "items": {modality.value: count for modality, count in status.items.items()},
        "failed": failures_as_json(status.failed),
        "encoder": status.encoder,
        "bytes": status.bytes,
        "sources": [str(source) for source in status.sources],
        "vectors": None if status.vectors is None else vectors_as_json(status.vectors),
    }


def vectors_as_json(vectors: VectorStoreStatus) -> dict[str, Any]:
    """How the vectors of an index are arranged."""
    return {
        "kind": vectors.kind,
        "vectors": vectors.vectors,
        "memory": vectors.memory,
        "bytes": vectors.bytes,
        "recall": vectors.recall,
        "target": vectors.target,
        "memory_limit": vectors.memory_limit,
        "clusters": vectors.clusters,
        "code_bytes": vectors.code_bytes,
        "scanned": vectors.scanned,
        "rescored": vectors.rescored,
        "pending": vectors.pending,
    }


def duplicates_as_json(found: Duplicates) -> dict[str, Any]:
    """Groups of files that are the same."""
    return {
        "groups": [
            {
                "reason": group.reason,
                "best": _duplicate_as_json(group.best),
                "copies": [
                    {"match": None if copy.match is None else copy.match.value}
                    | _duplicate_as_json(copy)
                    for copy in group.copies
                ],
            }
            for group in found.groups
        ],
        "left_out": failures_as_json(found.left_out),
    }


def _duplicate_as_json(file: Duplicate) -> dict[str, Any]:
    return {
        "path": str(file.path),
        "asset": file.asset,
        "bytes": file.bytes,
        "width": file.width,
        "height": file.height,
        "captured_at": None if file.captured_at is None else file.captured_at.isoformat(),
        "modified_at": file.modified_at.isoformat(),
    }


def explanation_as_json(found: Explanation) -> dict[str, Any]:
    """Why an item answers a query as well as it does."""
    return {
        "query": found.query,
        "encoder": found.encoder,
        "path": str(found.path),
        "modality": found.modality.value,
        "item": found.item,
        "asset": found.asset,
        "text": found.text,
        "start": found.start,
        "end": found.end,
        "ranked": found.ranked,
        "rank": found.rank,
        "unranked": found.unranked,
        "score": _rounded(found.score),
        "relevance": _rounded(found.relevance),
        "similarity": _rounded(found.similarity),
        "standing": _rounded(found.standing),
        "words_gain": _rounded(found.words_gain),
        "coverage": _rounded(found.coverage),
        "reranked": _rounded(found.reranked),
        "reranked_rank": found.reranked_rank,
        "terms": [_term_as_json(term) for term in found.terms],
        "words": [_word_as_json(word) for word in found.words],
        "regions": _regions_as_json(found.regions),
        "unreadable": found.unreadable,
    }


def _term_as_json(term: TermEvidence) -> dict[str, Any]:
    return {
        "text": term.text,
        "wanted": term.wanted,
        "weight": term.weight,
        "rank": term.rank,
        "relevance": _rounded(term.relevance),
        "similarity": _rounded(term.similarity),
        "standing": _rounded(term.standing),
        "words": [_word_as_json(word) for word in term.words],
        "regions": _regions_as_json(term.regions),
    }


def _word_as_json(word: WordEffect) -> dict[str, Any]:
    return {
        "word": word.word,
        "start": word.start,
        "end": word.end,
        "effect": _rounded(word.effect),
        "matched": word.matched,
    }


def _regions_as_json(regions: RegionMap | None) -> dict[str, Any] | None:
    if regions is None:
        return None
    return {
        "peak": [round(at, 4) for at in regions.peak],
        "share": round(regions.share, 4),
        "similarities": [
            [round(value, 4) for value in row] for row in regions.similarities.tolist()
        ],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
