"""The formats that captions come in: TSV or CSV, COCO captions JSON, Karpathy split JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mmsearch.errors import DatasetError

IMAGE_COLUMN = "image"
CAPTION_COLUMN = "caption"


@dataclass(frozen=True, slots=True)
class CaptionRow:
    """One caption and the photo it describes.

    Attributes:
        image: the photo's file name, relative to the folder of photos.
        caption: the text, stripped of surrounding white space, never empty.
        split: the split that the file itself assigns (Karpathy only).
    """

    image: str
    caption: str
    split: str | None = None


def read_caption_rows(path: Path) -> list[CaptionRow]:
    """Reads a caption file in any of the known formats.

    A name that ends in ``.json`` is COCO captions JSON, or Karpathy split JSON where its images
    carry ``sentences``. Everything else is TSV where the header line has a tab, and CSV
    otherwise. A byte order mark and CRLF line ends are accepted.

    Args:
        path: the caption file, UTF-8.

    Returns:
        The captions in the order of the file; never empty.

    Raises:
        DatasetError: the file cannot be read, does not follow its format or holds no caption.
    """
    text = read_text(path)
    if not text.strip():
        raise DatasetError(f"{path} is empty; it should list images and captions.")
    if path.suffix.lower() == ".json":
        rows = list(_json_rows(text, path))
    else:
        rows = list(_table_rows(text, path))
    if not rows:
        raise DatasetError(f"{path} holds no caption.")
    return rows


def read_text(path: Path) -> str:
    """Reads a UTF-8 file, without its byte order mark.

    Raises:
        DatasetError: it is not there, may not be read or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise DatasetError(f"There is no file {path}.") from None
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8 and try again."
        ) from error


def _table_rows(text: str, path: Path) -> Iterator[CaptionRow]:
    header, _, _ = text.lstrip("\r\n").partition("\n")
    records = _tsv_records(text) if "\t" in header else _csv_records(text, path)
    columns: list[str] | None = None
    for line, record in records:
        if columns is None:
            columns = [name.strip().lower() for name in record]
            for name in (IMAGE_COLUMN, CAPTION_COLUMN):
                if name not in columns:
                    raise DatasetError(
                        f"{path} has no column {name!r}; its header line must name the columns "
                        f"{IMAGE_COLUMN!r} and {CAPTION_COLUMN!r}, but reads "
                        f"{', '.join(map(repr, columns[:8]))}."
                    )
            continue
        if len(record) != len(columns):
            raise DatasetError(
                f"{path}, line {line}: {len(record)} columns where the header has {len(columns)}."
            )
        fields = dict(zip(columns, record, strict=True))
        yield _row(fields[IMAGE_COLUMN], fields[CAPTION_COLUMN], f"{path}, line {line}")


def _tsv_records(text: str) -> Iterator[tuple[int, list[str]]]:
    # Tab-separated files have no agreed quoting: a caption may simply begin with a quotation
    # mark. So only a field that is quoted throughout is taken as quoted.
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r")
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


def _json_rows(text: str, path: Path) -> Iterator[CaptionRow]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path} is not valid JSON: {error}.") from error
    except RecursionError as error:
        raise DatasetError(f"{path} is not a caption file: its JSON nests too deeply.") from error
    if not isinstance(document, dict) or not isinstance(document.get("images"), list):
        raise DatasetError(
            f"{path} is neither COCO captions JSON nor Karpathy split JSON: no list 'images'."
        )
    try:
        if isinstance(document.get("annotations"), list):
            yield from _coco_rows(document["images"], document["annotations"], path)
        else:
            yield from _karpathy_rows(document["images"], path)
    except (KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{path} does not follow its format: {type(error).__name__} {error}. COCO captions "
            "need images with 'id' and 'file_name' and annotations with 'image_id' and "
            "'caption'; Karpathy splits need images with 'filename', 'split' and 'sentences'."
        ) from error


def _coco_rows(
    images: Iterable[Mapping[str, object]], annotations: Iterable[Mapping[str, object]], path: Path
) -> Iterator[CaptionRow]:
    names: dict[object, str] = {}
    for image in images:
        if image["id"] in names:
            raise DatasetError(f"{path} has two images with the id {image['id']!r}.")
        names[image["id"]] = _string(image["file_name"])
    _refuse_duplicates(names.values(), path)
    for annotation in annotations:
        if annotation["image_id"] not in names:
            raise DatasetError(
                f"{path}: a caption belongs to image {annotation['image_id']!r}, which is not "
                "among its images."
            )
        yield _row(
            names[annotation["image_id"]], _string(annotation["caption"]), f"{path}, annotations"
        )


def _karpathy_rows(images: Iterable[Mapping[str, object]], path: Path) -> Iterator[CaptionRow]:
    seen: list[str] = []
    for image in images:
        name = _string(image["filename"])
        if folder := image.get("filepath"):
            name = f"{folder}/{name}"
        seen.append(name)
        sentences = image["sentences"]
        if not isinstance(sentences, list):
            raise TypeError("'sentences' is not a list")
        for sentence in sentences:
            yield _row(name, _string(sentence["raw"]), f"{path}, {name}", _string(image["split"]))
    _refuse_duplicates(seen, path)


def _refuse_duplicates(names: Iterable[str], path: Path) -> None:
    if twice := first_duplicate(names):
        raise DatasetError(f"{path} lists the image {twice} twice.")


def first_duplicate(names: Iterable[str]) -> str | None:
    """The first name that has occurred before, if any."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a string")
    return value


def _row(image: str, caption: str, where: str, split: str | None = None) -> CaptionRow:
    image, caption = image.strip(), caption.strip()
    if not image:
        raise DatasetError(f"{where}: the image's name is empty.")
    if not caption:
        raise DatasetError(f"{where}: the caption of {image} is empty.")
    return CaptionRow(image, caption, split)
