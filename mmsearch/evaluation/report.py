"""What encoders, alone and with rerankers, reached on a captioned data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mmsearch.errors import RerankerError
from mmsearch.evaluation.datasets import CaptionedPhotos
from mmsearch.evaluation.figures import Figure, differences, figures_of
from mmsearch.evaluation.metrics import RetrievalMetrics
from mmsearch.evaluation.ranking import Ranking


class Direction(StrEnum):
    """What is asked, and what answers."""

    TEXT_TO_IMAGE = "text_to_image"
    """Captions are queries, photos answer."""
    IMAGE_TO_TEXT = "image_to_text"
    """Photos are queries, captions answer."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one direction came to.

    Attributes:
        ranking: of all queries.
        ms_per_query: milliseconds that a reranker took for a query, on average; None for the
            first stage.
    """

    ranking: Ranking
    ms_per_query: float | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """One way of ranking: the first stage, or what a reranker made of it.

    Attributes:
        encoder: the encoder's id.
        reranker: its name; None for the first stage.
        results: by direction; those that the reranker does not take are left out.
    """

    encoder: str
    reranker: str | None
    results: Mapping[Direction, Result]


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """What one encoder reached on a captioned data set.

    Attributes:
        dataset: the photos and captions.
        first: the first stage, in both directions.
        reranked: what each reranker made of it.
        failed: why there is nothing of the other rerankers.
    """

    dataset: CaptionedPhotos
    first: Stage
    reranked: tuple[Stage, ...] = ()
    failed: tuple[RerankerError, ...] = ()

    @property
    def encoder(self) -> str:
        """The encoder's id."""
        return self.first.encoder

    @property
    def gallery(self) -> int:
        """Number of photos."""
        return len(self.dataset.photos)

    @property
    def queries(self) -> int:
        """Number of captions."""
        return len(self.dataset.captions)

    @property
    def text_to_image(self) -> RetrievalMetrics:
        """The first stage with captions as queries, photos as answers."""
        return self._metrics(Direction.TEXT_TO_IMAGE)

    @property
    def image_to_text(self) -> RetrievalMetrics:
        """The first stage with photos as queries, captions as answers."""
        return self._metrics(Direction.IMAGE_TO_TEXT)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The first stage, and what rerankers made of it."""
        return (self.first, *self.reranked)

    def as_dict(self, *, against: EvaluationReport | None = None) -> dict[str, Any]:
        """The report as ``mmsearch eval --json`` prints it.

        Args:
            against: another encoder's report on the same data set, to tell differences to.
        """
        return {
            "encoder": self.encoder,
            "gallery": self.gallery,
            "queries": self.queries,
            **_stage_as_dict(self.first, None if against is None else against.first),
            "reranked": [
                {"reranker": stage.reranker, **_stage_as_dict(stage, self.first)}
                for stage in self.reranked
            ],
        }

    def _metrics(self, direction: Direction) -> RetrievalMetrics:
        return RetrievalMetrics.of_ranks(self.first.results[direction].ranking.ranks)


def reports_as_dict(reports: Sequence[EvaluationReport]) -> dict[str, Any]:
    """Reports of several encoders on one data set as ``mmsearch eval --json`` prints them.

    Each but the first one tells its differences to the first.
    """
    first, *others = reports
    if not others:
        return first.as_dict()
    return {"reports": [first.as_dict(), *(other.as_dict(against=first) for other in others)]}


def _stage_as_dict(stage: Stage, against: Stage | None) -> dict[str, Any]:
    return {
        str(direction): _result_as_dict(
            result, None if against is None else against.results[direction]
        )
        for direction, result in stage.results.items()
    }


def _result_as_dict(result: Result, against: Result | None) -> dict[str, Any]:
    figures = figures_of(result.ranking)
    told: dict[str, Any] = {name: round(figure.value, 2) for name, figure in figures.items()}
    told["intervals"] = {name: _interval(figure) for name, figure in figures.items()}
    if result.ms_per_query is not None:
        told["ms_per_query"] = round(result.ms_per_query, 2)
    if against is not None:
        told["difference"] = {
            name: {"value": round(figure.value, 2), "interval": _interval(figure)}
            for name, figure in differences(result.ranking, against.ranking).items()
        }
    return told


def _interval(figure: Figure) -> list[float]:
    return [round(figure.low, 2), round(figure.high, 2)]
