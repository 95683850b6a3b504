"""Options that several commands share, and what they mean everywhere."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmsearch.settings import Settings, load_settings

if TYPE_CHECKING:
    from mmsearch.library import Index


class DeviceName(StrEnum):
    """Where an encoder may run."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


IndexOption = Annotated[
    str | None,
    typer.Option(
        "--index",
        metavar="NAME_OR_PATH",
        help="The index to use: a name of your own, or a directory.  [default: default]",
        show_default=False,
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="The encoder: auto, embedded, a preset, ARCH/TAG, ARCH:FILE, hf-hub:NAME or one of "
        "your own; see `mmsearch models`.  [default: auto]",
        show_default=False,
    ),
]
ImagesOption = Annotated[
    Path | None,
    typer.Option("--images", metavar="DIR", help="The folder with the photos.", show_default=False),
]
CaptionsOption = Annotated[
    Path | None,
    typer.Option(
        "--captions",
        metavar="FILE",
        help="Their captions: TSV, CSV, JSON Lines, COCO or Karpathy JSON, Parquet or webdataset.",
        show_default=False,
    ),
]
SplitOption = Annotated[
    str | None,
    typer.Option(
        "--split",
        metavar="FILE",
        help="Only these photos: a file with one name a line, or a Karpathy split's name.",
        show_default=False,
    ),
]
DeviceOption = Annotated[
    DeviceName | None,
    typer.Option("--device", help="Where the encoder runs.  [default: auto]", show_default=False),
]
SpeechModelOption = Annotated[
    str | None,
    typer.Option(
        "--speech-model",
        metavar="MODEL",
        help="Recognises speech: auto, the name of a Whisper model, or a folder.  [default: auto]",
        show_default=False,
    ),
]
FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--in",
        metavar="FOLDER",
        help="Only files in this folder and below.",
        show_default=False,
    ),
]
RerankOption = Annotated[
    str | None,
    typer.Option(
        "--rerank",
        metavar="NAME",
        help="Look at the best hits again: auto, none, regions, cascade, caption, itm, ..., with a "
        "model as in cascade:MODEL where one is needed.",
        show_default=False,
    ),
]
BudgetOption = Annotated[
    str | None,
    typer.Option(
        "--budget",
        metavar="TIME",
        help="How long reranking may take, for instance 300ms or 2s.",
        show_default=False,
    ),
]
MegapixelsOption = Annotated[
    float | None,
    typer.Option(
        "--max-megapixels",
        metavar="N",
        help="Refuse larger images.  [default: 200]",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def path_given(text: str) -> Path:
    """A path as it was given, whether it is there or not.

    Raises:
        typer.BadParameter: it is empty, as an unset variable is: `pathlib` takes that for where
            we are.
    """
    if not text:
        raise typer.BadParameter("an empty text is no path; . is the folder in which you are.")
    return Path(text)


def settings_with(**flags: Any) -> Settings:
    """The settings in force when these flags are given; None means not given."""
    return load_settings(flags)


def open_index(settings: Settings, path: Path | None = None) -> Index:
    """Opens an index, by default the one that the settings name, to be used as they say."""
    import mmsearch

    opened = mmsearch.open(path or settings.index_path(), device=settings.device)
    return _adjusted(opened, settings)


def create_index(settings: Settings) -> Index:
    """Makes the index that the settings name, to be used as they say."""
    import mmsearch

    made = mmsearch.create(settings.index_path(), model=settings.model, device=settings.device)
    return _adjusted(made, settings)


def _adjusted(index: Index, settings: Settings) -> Index:
    index.max_megapixels = settings.max_megapixels
    index.speech_model = settings.speech_model
    index.jobs = settings.jobs
    return index
