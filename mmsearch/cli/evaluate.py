"""``mmsearch eval``: measures an encoder on captioned photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmsearch.cli.options import DeviceOption, JsonOption, ModelOption, settings_with
from mmsearch.cli.output import progress_bar, show, show_json, table

if TYPE_CHECKING:
    from mmsearch.evaluation.evaluate import EvaluationReport


def evaluate(
    images: Annotated[
        Path, typer.Option("--images", metavar="DIR", help="The folder with the photos.")
    ],
    captions: Annotated[
        Path,
        typer.Option(
            "--captions",
            metavar="FILE",
            help="TSV or CSV with `image` and `caption` columns, COCO captions or Karpathy JSON.",
        ),
    ],
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="FILE",
            help="Only these photos: a file with one name a line, or a Karpathy split's name.",
            show_default=False,
        ),
    ] = None,
    model: ModelOption = None,
    device: DeviceOption = None,
    json: JsonOption = False,
) -> None:
    """Measure how well an encoder finds photos by caption, and captions by photo."""
    from mmsearch.encoders.registry import load
    from mmsearch.evaluation.datasets import read_captioned_photos
    from mmsearch.evaluation.evaluate import evaluate as measure

    settings = settings_with(model=model, device=device)
    dataset = read_captioned_photos(images, captions, split=split)
    encoder = load(settings.model, device=settings.device)
    with progress_bar("Encoding", " items") as progress:
        report = measure(encoder, dataset, progress=progress)
    if json:
        show_json(report.as_dict())
    else:
        _show(report)


def _show(report: EvaluationReport) -> None:
    show(f"{report.encoder}: {report.queries} captions of {report.gallery} photos, in percent")
    directions = {"text to image": report.text_to_image, "image to text": report.image_to_text}
    names = list(report.text_to_image.as_dict())
    rows = [["", *names]]
    for direction, metrics in directions.items():
        rows.append([direction, *(f"{value:.1f}" for value in metrics.as_dict().values())])
    for line in table(rows, right=range(1, len(names) + 1)):
        show(line)
