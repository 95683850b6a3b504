"""Captions in TSV and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from mmsearch.errors import DatasetError
from mmsearch.media.caption_files.record import CaptionRow

IMAGE_COLUMN = "image"
CAPTION_COLUMN = "caption"


def rows(text: str, path: Path) -> Iterator[CaptionRow]:
    """Reads a table whose header line names its columns.

    Args:
        text: what the file holds.
        path: the file, for messages.

    Raises:
        DatasetError: a column is missing, or a line has too few or too many.
    """
    header, _, _ = text.lstrip("\r\n").partition("\n")
    records = _tsv_records(text) if "\t" in header else _csv_records(text, path)
    columns = [name.strip().lower() for name in next(records)[1]]
    for name in (IMAGE_COLUMN, CAPTION_COLUMN):
        if name not in columns:
            raise DatasetError(
                f"{path} has no column {name!r}; its header line must name the columns "
                f"{IMAGE_COLUMN!r} and {CAPTION_COLUMN!r}, but reads "
                f"{', '.join(map(repr, columns[:8]))}."
            )
    image, caption = columns.index(IMAGE_COLUMN), columns.index(CAPTION_COLUMN)
    for line, record in records:
        if len(record) != len(columns):
            raise DatasetError(
                f"{path}, line {line}: {len(record)} columns where the header has {len(columns)}."
            )
        yield CaptionRow(record[image].strip(), record[caption].strip(), None, line)


def _tsv_records(text: str) -> Iterator[tuple[int, list[str]]]:
    # Tab-separated files have no agreed quoting: a caption may simply begin with a quotation
    # mark. So only a field that is quoted throughout is taken as quoted.
    for number, line in enumerate(io.StringIO(text, newline="\n"), 1):
        line = line.removesuffix("\n").removesuffix("\r")
        if line.strip():
            yield number, [_unquoted(field) for field in line.split("\t")]


def _unquoted(field: str) -> str:
    inner = field[1:-1]
    quoted = len(field) >= 2 and field[0] == field[-1] == '"'
    if quoted and '"' not in inner.replace('""', ""):
        return inner.replace('""', '"')
    return field


def _csv_records(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for record in reader:
            if record:
                yield reader.line_num, record
    except csv.Error as error:
        raise DatasetError(f"{path}, line {reader.line_num}: not valid CSV ({error}).") from error
