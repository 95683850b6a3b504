"""Captioned data sets: photos on disk, each with one or more captions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import DatasetError
from mmsearch.evaluation.captions import first_duplicate, read_complete_rows
from mmsearch.media.caption_files import CaptionRow, read_utf8

DEFAULT_KARPATHY_SPLIT = "test"


@dataclass(frozen=True, slots=True)
class CaptionedPhotos:
    """Photos and the captions that describe them.

    Attributes:
        photos: files, no two the same. As `read_captioned_photos` reads them, each is there and
            has a caption at least; those of an index may be without, as answers alone.
        captions: texts, none of them empty.
        photo_of_caption: int64, shape (len(captions),): the index into ``photos`` of the photo
            that each caption describes.
    """

    photos: tuple[Path, ...]
    captions: tuple[str, ...]
    photo_of_caption: NDArray[np.int64]


def read_captioned_photos(
    images: Path, captions: Path, *, split: str | Path | None = None
) -> CaptionedPhotos:
    """Reads a captioned data set.

    Photos come in the order of the split file, or of the captions without one; captions keep
    the order of their file.

    Args:
        images: the folder of photos; names in the caption file are relative to it.
        captions: a TSV or CSV with ``image`` and ``caption`` columns, a COCO captions JSON, a
            Karpathy split JSON, JSON Lines, Parquet or a webdataset tar.
        split: restricts to some of the photos: a file with one image name a line, or for a
            Karpathy JSON the name of a split in it. None takes all photos, and of a Karpathy
            JSON, as is the custom, its ``test`` split.

    Raises:
        DatasetError: a file is missing, damaged or empty, a photo is listed twice or is not
            there or has two names, or the split names photos without captions.
    """
    if not images.is_dir():
        raise DatasetError(f"There is no folder {images}.")
    rows = read_complete_rows(captions)
    names = select_photos(rows, split, captions)
    paths = _locate(names, images)
    if twice := first_duplicate(map(str, paths)):
        raise DatasetError(
            f"Two image names in {captions} stand for the photo {twice}; name it in one way."
        )

    index_of = {name: index for index, name in enumerate(names)}
    chosen = [row for row in rows if row.image in index_of]
    return CaptionedPhotos(
        photos=tuple(paths),
        captions=tuple(row.caption for row in chosen),
        photo_of_caption=np.array([index_of[row.image] for row in chosen], dtype=np.int64),
    )


def select_photos(
    rows: Sequence[CaptionRow], split: str | Path | None, captions: Path
) -> list[str]:
    """The names of a split's photos, in its order.

    Args:
        rows: of the caption file.
        split: as of `read_captioned_photos`.
        captions: the caption file, for messages.

    Raises:
        DatasetError: the split cannot be read, or names photos without captions.
    """
    splits = sorted({row.split for row in rows if row.split is not None})
    if split is None and not splits:
        return list(dict.fromkeys(row.image for row in rows))
    if split is None:
        split = DEFAULT_KARPATHY_SPLIT
    if split in splits:
        return list(dict.fromkeys(row.image for row in rows if row.split == split))
    if splits and not Path(split).is_file():
        raise DatasetError(f"{captions} has no split {str(split)!r}; it has {', '.join(splits)}.")
    return _read_split_file(Path(split), rows, captions)


def _read_split_file(split: Path, rows: Sequence[CaptionRow], captions: Path) -> list[str]:
    names = [line.strip() for line in read_utf8(split).splitlines() if line.strip()]
    if not names:
        raise DatasetError(f"{split} is empty; it should list one image file name a line.")
    if twice := first_duplicate(names):
        raise DatasetError(f"{split} lists the image {twice} twice.")

    # Karpathy files keep photos in folders; a split file may name them with or without.
    images = dict.fromkeys(row.image for row in rows)
    known = defaultdict(list)
    for image in images:
        known[image.rpartition("/")[2]].append(image)
    known |= {image: [image] for image in images}
    if unknown := [name for name in names if name not in known]:
        raise DatasetError(
            f"{len(unknown)} of the {len(names)} photos that {split} lists have no caption in "
            f"{captions}; the first is {unknown[0]}."
        )
    if ambiguous := next((name for name in names if len(known[name]) > 1), None):
        meant = " or ".join(known[ambiguous][:2])
        raise DatasetError(f"{split} lists {ambiguous}, which may be {meant} in {captions}.")
    return [known[name][0] for name in names]


def _is_file(path: Path) -> bool:
    """Whether there is one; a whole photo in base64 is no possible name."""
    try:
        return path.is_file()
    except OSError:
        return False


def _locate(names: Sequence[str], images: Path) -> list[Path]:
    paths: list[Path] = []
    missing: list[str] = []
    for name in names:
        # Karpathy files name COCO's own folders, which a copy of the photos may not have.
        candidates = (images / name, images / name.rpartition("/")[2])
        path = next((path for path in candidates if _is_file(path)), None)
        if path is None:
            missing.append(name)
        else:
            paths.append(path)
    if missing:
        raise DatasetError(
            f"{len(missing)} of {len(names)} photos are not in {images}; the first is {missing[0]}."
        )
    return paths
