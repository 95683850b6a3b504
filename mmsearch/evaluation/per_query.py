"""Tells of every query how it fared: JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from mmsearch.evaluation.datasets import CaptionedPhotos
from mmsearch.evaluation.evaluate import DEPTH
from mmsearch.evaluation.files import write_file
from mmsearch.evaluation.report import Direction, EvaluationReport, Stage


def write_per_query(path: Path, reports: Sequence[EvaluationReport]) -> None:
    """Writes a line for each query of each encoder, reranker and direction.

    A line is an object with ``encoder``, ``reranker`` (null for the first stage), ``direction``,
    ``query`` (a caption, or a photo's path), ``right`` (the right answers), ``rank`` (of the best
    of them), ``average_precision`` and ``hits``, the ten best answers: ``rank``, ``answer``,
    ``right``, ``similarity``, ``reranked`` (null where no reranker judged).

    Raises:
        OutputError: the file cannot be written.
    """
    lines = (  # one at a time: those of a large collection fill the memory
        json.dumps(line).encode() + b"\n"
        for report in reports
        for stage in report.stages
        for line in lines_of(report.dataset, stage)
    )
    write_file(path, lines)


def lines_of(dataset: CaptionedPhotos, stage: Stage) -> Iterator[dict[str, Any]]:
    """One object for each query of a stage, in the order of the queries."""
    photos = [str(path) for path in dataset.photos]
    for direction, result in stage.results.items():
        ranking = result.ranking
        relevance = ranking.relevance
        if direction is Direction.TEXT_TO_IMAGE:
            queries, answers = list(dataset.captions), photos
        else:
            queries, answers = [photos[at] for at in relevance.photo], list(dataset.captions)
        pairs = relevance.pairs_by_query()
        ranks, precisions = ranking.ranks.tolist(), ranking.average_precisions.tolist()
        for at, query in enumerate(queries):
            right = relevance.answer[pairs[at]].tolist()
            found = ranking.top[at, :DEPTH].tolist()
            reranked = None if ranking.reranked is None else ranking.reranked[at].tolist()
            yield {
                "encoder": stage.encoder,
                "reranker": stage.reranker,
                "direction": str(direction),
                "query": query,
                "right": [answers[number] for number in right],
                "rank": ranks[at],
                "average_precision": round(precisions[at], 6),
                "hits": [
                    {
                        "rank": place + 1,
                        "answer": answers[number],
                        "right": number in right,
                        "similarity": _number(float(ranking.similarities[at, place])),
                        "reranked": _number(reranked[place]) if reranked else None,
                    }
                    for place, number in enumerate(found)
                ],
            }


def _number(value: float) -> float | None:
    """A score in JSON, which knows neither NaN nor infinity."""
    return round(value, 6) if isfinite(value) else None
