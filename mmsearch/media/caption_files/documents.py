"""Captions in JSON: COCO captions, Karpathy splits, lists of objects, JSON Lines."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from mmsearch.errors import DatasetError
from mmsearch.media.caption_files.record import (
    CAPTION_KEYS,
    IMAGE_KEYS,
    CaptionRow,
    cleaned,
    find_key,
    rows_of,
)


def rows(text: str, path: Path) -> Iterator[CaptionRow]:
    """Reads one JSON document.

    Args:
        text: what the file holds.
        path: the file, for messages.

    Raises:
        DatasetError: it is no JSON, or none of the known documents.
    """
    document = _parse(text, str(path))
    if isinstance(document, list) and document:
        for number, entry in enumerate(document, 1):
            yield from _object_rows(entry, f"{path}, entry {number}")
        return
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


def line_rows(text: str, path: Path) -> Iterator[CaptionRow]:
    """Reads JSON Lines: an object a line, with a photo's name and its captions.

    Raises:
        DatasetError: a line is no JSON object, or lacks one of the two.
    """
    for number, line in enumerate(io.StringIO(text, newline="\n"), 1):
        if line.strip():
            where = f"{path}, line {number}"
            yield from _object_rows(_parse(line, where), where, number)


def _parse(text: str, where: str) -> object:
    try:
        document: object = json.loads(text)
    except json.JSONDecodeError as error:
        raise DatasetError(f"{where} is not valid JSON: {error}.") from error
    except RecursionError as error:
        raise DatasetError(f"{where} is not a caption file: its JSON nests too deeply.") from error
    except ValueError as error:  # a number of more than 4300 digits
        raise DatasetError(f"{where} is not valid JSON: {error}.") from error
    return document


def _object_rows(entry: object, where: str, line: int = 0) -> Iterator[CaptionRow]:
    if not isinstance(entry, dict):
        raise DatasetError(f"{where}: not an object with an image and a caption.")
    image, caption = find_key(entry, IMAGE_KEYS), find_key(entry, CAPTION_KEYS)
    if image is None or caption is None:
        missing = IMAGE_KEYS[0] if image is None else CAPTION_KEYS[0]
        keys = ", ".join(map(repr, list(entry)[:8])) or "none"
        raise DatasetError(f"{where}: no key {missing!r}; its keys are {keys}.")
    yield from rows_of(entry[image], entry[caption], line)


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
        yield CaptionRow(names[annotation["image_id"]], _string(annotation["caption"]))


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
            yield CaptionRow(name, _string(sentence["raw"]), _string(image["split"]))
    _refuse_duplicates(seen, path)


def _refuse_duplicates(names: Iterable[str], path: Path) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DatasetError(f"{path} lists the image {name} twice.")
        seen.add(name)


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a string")
    return cleaned(value)
