"""``mmsearch eval``: measures encoders and rerankers on captioned photos."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmsearch.cli.options import (
    CaptionsOption,
    DeviceOption,
    ImagesOption,
    JsonOption,
    SplitOption,
    settings_with,
)
from mmsearch.cli.output import note, progress_bar, short_path, show, show_json
from mmsearch.errors import MmsearchError, RerankerError

if TYPE_CHECKING:
    from mmsearch.evaluation.report import EvaluationReport


def evaluate(
    images: ImagesOption = None,
    captions: CaptionsOption = None,
    split: SplitOption = None,
    index: Annotated[
        str | None,
        typer.Option(
            "--index",
            metavar="NAME_OR_PATH",
            help="Measure this index instead of --images, with the embeddings that it stores.",
            show_default=False,
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="An encoder, as for `mmsearch index`; repeat it to compare several.  "
            "[default: auto]",
            show_default=False,
        ),
    ] = None,
    rerank: Annotated[
        list[str] | None,
        typer.Option(
            "--rerank",
            metavar="NAME",
            help="Measure this reranker as well; may be repeated.",
            show_default=False,
        ),
    ] = None,
    per_query: Annotated[
        Path | None,
        typer.Option(
            "--per-query",
            metavar="FILE",
            help="Write how every query fared, as JSON Lines.",
            show_default=False,
        ),
    ] = None,
    misses: Annotated[
        Path | None,
        typer.Option(
            "--misses",
            metavar="FILE",
            help="Draw the worst misses with their photos: FILE.html or FILE.png.",
            show_default=False,
        ),
    ] = None,
    device: DeviceOption = None,
    json: JsonOption = False,
) -> None:
    """Measure how well encoders find photos by caption, and captions by photo."""
    from mmsearch.evaluation.files import require_folder_of
    from mmsearch.evaluation.misses import require_picture_suffix, write_misses
    from mmsearch.evaluation.per_query import write_per_query

    _check_usage(images, captions, split, index, models or [], misses)
    if per_query is not None:
        require_folder_of(per_query)
    if misses is not None:
        require_picture_suffix(misses)

    rerankers = rerank or []
    if index is not None:
        measured = _measure_index(index, captions, split, rerankers, device)
    elif images is not None and captions is not None:
        measured = _measure_files(images, captions, split, models or [None], rerankers, device)
    reports, failure = _as_far_as_possible(measured)

    # Shown first: what comes next may find the disk full.
    if json:
        from mmsearch.evaluation.report import reports_as_dict

        show_json(reports_as_dict(reports))
    else:
        from mmsearch.cli.evaluation_table import lines_of

        for line in lines_of(reports):
            show(line)
    if per_query is not None:
        write_per_query(per_query, reports)
        note(f"Wrote {short_path(per_query)}.")
    if misses is not None:
        write_misses(misses, reports[0], max_megapixels=settings_with().max_megapixels)
        note(f"Wrote {short_path(misses)}.")
    if failure is not None:
        raise failure


def _check_usage(
    images: Path | None,
    captions: Path | None,
    split: str | None,
    index: str | None,
    models: list[str],
    misses: Path | None,
) -> None:
    """Raises where options contradict each other: wrong usage, exit 2."""
    wrong = None
    if index is None and (images is None or captions is None):
        wrong = "Give --images and --captions, or --index."
    elif index is not None and images is not None:
        wrong = "Give --images or --index, not both."
    elif index is not None and models:
        wrong = "An index is measured with its own encoder: leave --model out."
    elif index is not None and split is not None and captions is None:
        wrong = "--split chooses among the captions of a file: give --captions as well."
    elif misses is not None and len(models) > 1:
        wrong = "--misses shows those of one encoder: give --model once."
    if wrong is not None:
        raise typer.BadParameter(wrong)


def _as_far_as_possible(
    measured: Iterable[EvaluationReport],
) -> tuple[list[EvaluationReport], BaseException | None]:
    """What was measured until something failed or Ctrl-C was pressed, and what to raise then."""
    reports: list[EvaluationReport] = []
    try:
        for report in measured:
            reports.append(report)
    except (MmsearchError, KeyboardInterrupt) as error:
        if not reports:
            raise
        return reports, error
    failed = [str(error) for report in reports for error in report.failed]
    return reports, RerankerError(" ".join(failed)) if failed else None


def _measure_index(
    index: str,
    captions: Path | None,
    split: str | None,
    rerankers: list[str],
    device: DeviceOption,
) -> Iterator[EvaluationReport]:
    from mmsearch.evaluation.indexed import evaluate_index

    settings = settings_with(index=index, device=device)
    with progress_bar("Measuring", " items") as progress:
        report = evaluate_index(
            settings.index_path(),
            captions=captions,
            split=split,
            rerankers=rerankers,
            device=settings.device,
            max_megapixels=settings.max_megapixels,
            progress=progress,
        )
    yield report


def _measure_files(
    images: Path,
    captions: Path,
    split: str | None,
    models: list[str] | list[None],
    rerankers: list[str],
    device: DeviceOption,
) -> Iterator[EvaluationReport]:
    from mmsearch.encoders.registry import load
    from mmsearch.evaluation.datasets import read_captioned_photos
    from mmsearch.evaluation.embedding import decode_photo
    from mmsearch.evaluation.evaluate import evaluate as measure

    dataset = read_captioned_photos(images, captions, split=split)
    for model in models:
        settings = settings_with(model=model, device=device)
        encoder = load(settings.model, device=settings.device)
        with progress_bar("Measuring", " items") as progress:
            report = measure(
                encoder,
                dataset,
                progress=progress,
                decode=partial(decode_photo, max_megapixels=settings.max_megapixels),
                device=settings.device,
                rerankers=rerankers,
                max_megapixels=settings.max_megapixels,
            )
        yield report
