"""Which captioned photos to train on, and which of them to hold out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmsearch.errors import TrainingError, UnreadableFileError
from mmsearch.evaluation.datasets import CaptionedPhotos
from mmsearch.index import IndexDirectory
from mmsearch.ingest.overlap import map_ahead
from mmsearch.items import Failure, Modality
from mmsearch.media.files import hash_file
from mmsearch.training.features import Progress
from mmsearch.training.pairs import texts_of

LEAST_PHOTOS = 20
"""With fewer, a held-out part says nothing."""

_CHUNK = 10_000  # items that are looked up at once
_AHEAD = 32


@dataclass(frozen=True, slots=True)
class Contents:
    """Captioned photos whose files can be read, with the hashes of their contents.

    Attributes:
        dataset: the photos, no two of equal content, and their captions.
        hashes: of the photos' files, in the same order.
        skipped: photos that were left out because they cannot be read.
    """

    dataset: CaptionedPhotos
    hashes: Sequence[str]
    skipped: Sequence[Failure]

    def hashes_of(self, photos: Sequence[Path]) -> list[str]:
        """The hashes of some of the photos."""
        hash_of = dict(zip(self.dataset.photos, self.hashes, strict=True))
        return [hash_of[path] for path in photos]

    def without(self, unreadable: Sequence[Failure]) -> Contents:
        """The same without some more photos."""
        gone = {failure.path for failure in unreadable}
        kept = [path not in gone for path in self.dataset.photos]
        return Contents(
            some_photos(self.dataset, np.flatnonzero(kept)),
            [content for content, keep in zip(self.hashes, kept, strict=True) if keep],
            [*self.skipped, *unreadable],
        )


def captioned_photos_of_index(directory: IndexDirectory) -> CaptionedPhotos:
    """The photos of an index, with the captions that it knows of them.

    Raises:
        TrainingError: it has no photo with a caption.
    """
    with directory.reading() as reader:
        by_modality = reader.items_by_modality()
        paths = {
            item.asset_id: item.path
            for ids in _chunks(by_modality.get(Modality.IMAGE))
            for item in reader.items(ids).values()
        }
        captions = [
            (item.asset_id, item.text)
            for ids in _chunks(by_modality.get(Modality.CAPTION))
            for item in reader.items(ids).values()
            if item.text and item.asset_id in paths
        ]
    if not captions:
        raise TrainingError(
            f"No photo in {directory.path} has a caption. Index the photos with their captions "
            "(`mmsearch index FOLDER --captions FILE`), or name --images and --captions."
        )
    photos = list(dict.fromkeys(asset for asset, _ in captions))
    place = {asset: number for number, asset in enumerate(photos)}
    return CaptionedPhotos(
        photos=tuple(paths[asset] for asset in photos),
        captions=tuple(text for _, text in captions),
        photo_of_caption=np.array([place[asset] for asset, _ in captions], dtype=np.int64),
    )


def read_contents(dataset: CaptionedPhotos, progress: Progress) -> Contents:
    """Hashes the photos' files; those that cannot be read are skipped.

    Copies of a file become one photo with the captions of all: neither can be found before the
    other, so that retrieval would measure nothing.
    """
    hashes: list[str] = []
    kept: list[int] = []
    skipped: list[Failure] = []

    def hashed(number: int) -> str | UnreadableFileError:
        try:
            return hash_file(dataset.photos[number])
        except UnreadableFileError as error:
            return error

    total = len(dataset.photos)
    with map_ahead(hashed, range(total), batch=_AHEAD) as results:
        for number, result in results:
            if isinstance(result, UnreadableFileError):
                skipped.append(Failure(dataset.photos[number], str(result)))
            else:
                hashes.append(result)
                kept.append(number)
            progress("reading photos", number + 1, total)
    readable = some_photos(dataset, np.array(kept, dtype=np.int64))
    return Contents(_without_copies(readable, hashes), list(dict.fromkeys(hashes)), skipped)


def _without_copies(dataset: CaptionedPhotos, hashes: Sequence[str]) -> CaptionedPhotos:
    """The first photo of each content, with what is written about any of its copies, each once."""
    contents = {content: number for number, content in enumerate(dict.fromkeys(hashes))}
    written = dict.fromkeys(
        (contents[hashes[photo]], caption)
        for caption, photo in zip(dataset.captions, dataset.photo_of_caption, strict=True)
    )
    first = dict(reversed(list(zip(hashes, dataset.photos, strict=True))))
    return CaptionedPhotos(
        photos=tuple(first[content] for content in contents),
        captions=tuple(caption for _, caption in written),
        photo_of_caption=np.array([number for number, _ in written], dtype=np.int64),
    )


def split_by_photo(
    hashes: Sequence[str], held_out: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Splits photos into a training and a held-out part; equal contents stay together.

    Args:
        hashes: of the photos' contents.
        held_out: share of the different contents to hold out, above 0 and below 1.
        seed: of chance.

    Returns:
        Indices of the training and of the held-out photos, each int64, ascending.

    Raises:
        TrainingError: there are too few different photos.
    """
    check_enough(hashes)
    contents = np.unique(np.array(hashes, dtype=object))
    shuffled = np.random.default_rng(seed).permutation(len(contents))
    count = min(max(1, round(held_out * len(contents))), len(contents) - 1)
    out = set(contents[shuffled[:count]])
    is_out = np.array([content in out for content in hashes])
    return np.flatnonzero(~is_out), np.flatnonzero(is_out)


def check_enough(hashes: Sequence[str]) -> None:
    """Tells whether there are photos enough to hold some out.

    Raises:
        TrainingError: there are too few different ones.
    """
    different = len(set(hashes))
    if different < LEAST_PHOTOS:
        raise TrainingError(
            f"{different} different photos with captions are too few to train on: at least "
            f"{LEAST_PHOTOS} are needed, and some hundreds to learn much."
        )


def some_photos(dataset: CaptionedPhotos, photos: NDArray[np.int64]) -> CaptionedPhotos:
    """Some of the photos, with their captions."""
    captions, photo_of_caption = texts_of(photos, dataset.photo_of_caption)
    return CaptionedPhotos(
        photos=tuple(dataset.photos[number] for number in photos),
        captions=tuple(dataset.captions[number] for number in captions),
        photo_of_caption=photo_of_caption,
    )


def _chunks(ids: NDArray[np.int64] | None) -> list[list[int]]:
    listed = [] if ids is None else ids.tolist()
    return [listed[start : start + _CHUNK] for start in range(0, len(listed), _CHUNK)]
