"""``mmsearch train``: adapts an encoder to one's own captioned photos."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmsearch.cli.options import (
    CaptionsOption,
    DeviceOption,
    ImagesOption,
    JsonOption,
    ModelOption,
    SplitOption,
    settings_with,
)
from mmsearch.cli.output import note, note_failures, short_path, show, show_json, table

if TYPE_CHECKING:
    from mmsearch.training.adapt.report import TrainingReport
    from mmsearch.training.features import Progress


class MethodName(StrEnum):
    """How an encoder is adapted."""

    AUTO = "auto"
    HEADS = "heads"
    RIDGE = "ridge"
    PROCRUSTES = "procrustes"
    WHITENING = "whitening"


def train(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="What to call the new encoder.", show_default=False),
    ],
    images: ImagesOption = None,
    captions: CaptionsOption = None,
    split: SplitOption = None,
    index: Annotated[
        str | None,
        typer.Option(
            "--index",
            metavar="NAME_OR_PATH",
            help="Train on the photos and captions of this index instead, by default from its own "
            "encoder.",
            show_default=False,
        ),
    ] = None,
    model: ModelOption = None,
    method: Annotated[
        MethodName,
        typer.Option(
            "--method",
            help="How to adapt the encoder; auto: ridge for less than 1,000 photos, or heads.",
        ),
    ] = MethodName.AUTO,
    depth: Annotated[
        int,
        typer.Option(
            "--depth",
            metavar="N",
            min=0,
            max=3,
            help="Fine-tune the towers of the embedded encoder too: 1 a little, 3 most of them.",
        ),
    ] = 0,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, help="Of the split and of training.")
    ] = 0,
    held_out: Annotated[
        float,
        typer.Option(
            "--held-out",
            metavar="SHARE",
            help="How many of the photos are held out, to measure on.",
            min=0.01,
            max=0.9,
        ),
    ] = 0.15,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an encoder of this name.")
    ] = False,
    device: DeviceOption = None,
    json: JsonOption = False,
) -> None:
    """Adapt an encoder to your own captioned photos; nothing is stored unless it got better."""
    if (index is None) == (images is None and captions is None):
        raise typer.BadParameter("give --images and --captions, or --index.")
    if index is None and (images is None or captions is None):
        raise typer.BadParameter("--images and --captions go together.")
    if index is not None and split is not None:
        raise typer.BadParameter("--split goes with --images and --captions.")
    if depth and method not in {MethodName.AUTO, MethodName.HEADS}:
        raise typer.BadParameter("--depth goes with the method heads only.")
    from mmsearch.training.adapt.entry import train as adapt

    settings = settings_with(model=model, device=device)
    with _bars() as progress:
        report = adapt(
            name,
            images=images,
            captions=captions,
            split=split,
            index=index,
            # an index is adapted from its own encoder unless --model says otherwise
            model=model if index is not None else settings.model,
            method=method.value,
            depth=depth,
            seed=seed,
            held_out=held_out,
            device=settings.device,
            replace=force,
            progress=progress,
        )
    if json:
        show_json(report.as_dict())
    else:
        _show(report)


def _show(report: TrainingReport) -> None:
    sizes, outcome = report.sizes, report.outcome
    show(
        f"{report.encoder}, made from {report.base} with {sizes.learnt_photos} photos by "
        f"{outcome.method} in {report.seconds:.0f} s"
    )
    held_out = f"{sizes.held_out_captions} captions of {sizes.held_out_photos} held-out photos"
    if sizes.folds:
        held_out += f", mean of {sizes.folds} folds"
    show(f"{held_out}, in percent:")
    before, after = outcome.before, outcome.after
    rows = [["", "", *before.text_to_image.as_dict()]]
    for direction, when, metrics in (
        ("text to image", "before", before.text_to_image),
        ("", "after", after.text_to_image),
        ("image to text", "before", before.image_to_text),
        ("", "after", after.image_to_text),
    ):
        rows.append([direction, when, *(f"{value:.1f}" for value in metrics.as_dict().values())])
    for line in table(rows, right=range(2, len(rows[0]))):
        show(line)
    show(f"Use it: mmsearch index FOLDER --model {report.name}")
    show(f"Its card and curves: {short_path(report.path)}")
    if report.skipped:
        note(f"{len(report.skipped)} photos could not be read:")
        note_failures(report.skipped)


@contextmanager
def _bars() -> Iterator[Progress]:
    """One progress bar after the other, one for each step; a step may come twice."""
    from tqdm import tqdm

    bar: tqdm[Any] | None = None
    current = ""

    def progress(step: str, done: int, total: int) -> None:
        nonlocal bar, current
        if bar is None or step != current or total != bar.total:
            if bar is not None:
                bar.close()
            bar = tqdm(total=total, desc=step.capitalize(), file=sys.stderr, dynamic_ncols=True)
            current = step
        bar.update(done - bar.n)

    try:
        yield progress
    finally:
        if bar is not None:
            bar.close()
