"""Lays out evaluation reports for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mmsearch.cli.output import printable, table
from mmsearch.evaluation.figures import LEVEL, NAMES, Figure, Figures, differences, figures_of
from mmsearch.evaluation.report import Direction, EvaluationReport, Result, Stage

_HEADINGS = {"median_rank": "med. rank"}


def lines_of(reports: Sequence[EvaluationReport]) -> Iterator[str]:
    """All that is to be shown: the encoders, a table for each direction, and differences."""
    first = reports[0]
    yield (
        f"{first.queries:,} captions of {first.gallery:,} photos. "
        f"In percent; below, {LEVEL}% intervals."
    )
    for number, report in enumerate(reports, 1):
        yield f"{_mark(number, reports)}{printable(report.encoder)}"
    for direction in Direction:
        yield ""
        rows = [(direction.replace("_", " "), *(_HEADINGS.get(name, name) for name in NAMES))]
        for number, report in enumerate(reports, 1):
            for stage in report.stages:
                if direction in stage.results:
                    figures = figures_of(stage.results[direction].ranking)
                    rows.extend(_rows(_label(stage, _mark(number, reports)), figures))
        yield from table(rows, right=range(1, len(NAMES) + 1))
        yield from _remarks(reports, direction)


def _mark(number: int, reports: Sequence[EvaluationReport]) -> str:
    """What tells an encoder's rows from those of others."""
    return f"[{number}] " if len(reports) > 1 else ""


def _label(stage: Stage, mark: str) -> str:
    if stage.reranker is not None:
        return f"{mark}+ {printable(stage.reranker)}"
    return mark or "first stage"


def _rows(label: str, figures: Figures) -> Iterator[tuple[str, ...]]:
    yield (label, *(_value(name, figures[name].value) for name in NAMES))
    yield ("", *(_interval(name, figures[name]) for name in NAMES))


def _value(name: str, value: float) -> str:
    if name == "median_rank":
        return f"{value:.1f}".removesuffix(".0") if value < 10 else f"{value:.0f}"
    return "100" if value == 100 else f"{value:.1f}"


def _interval(name: str, figure: Figure) -> str:
    ends = (_value(name, figure.low), _value(name, figure.high))
    return "-".join(dict.fromkeys(ends))


def _remarks(reports: Sequence[EvaluationReport], direction: Direction) -> Iterator[str]:
    """What changes against the first encoder, and what rerankers change and cost."""
    first = reports[0].first.results[direction]
    for number, report in enumerate(reports, 1):
        mark = _mark(number, reports)
        result = report.first.results[direction]
        if number > 1:
            yield f"{mark}against [1]: {_difference(result, first)}"
        for stage in report.reranked:
            yield from _remark(mark, stage, direction, result)


def _remark(mark: str, stage: Stage, direction: Direction, first: Result) -> Iterator[str]:
    if direction not in stage.results:
        yield f"{_label(stage, mark)}: does not judge {_ANSWERS[direction]}"
        return
    result = stage.results[direction]
    told = _difference(result, first)
    yield f"{_label(stage, mark)}: {told}, {result.ms_per_query:.1f} ms a query"


_ANSWERS = {
    Direction.TEXT_TO_IMAGE: "photos by text",
    Direction.IMAGE_TO_TEXT: "captions by photo",
}


def _difference(result: Result, other: Result) -> str:
    """How R@1 differs, and whether that may be chance."""
    figure: Figure = differences(result.ranking, other.ranking)["R@1"]
    chance = ", maybe chance" if figure.low <= 0 <= figure.high else ""
    return f"R@1 {figure.value:+.1f} ({figure.low:+.1f} to {figure.high:+.1f}{chance})"
