"""The captions whose photos came last, with what was found instead: an HTML page or a PNG sheet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmsearch.errors import MediaError, OutputError
from mmsearch.evaluation.files import require_folder_of, write_file
from mmsearch.evaluation.report import Direction, EvaluationReport
from mmsearch.settings import DEFAULT_MAX_MEGAPIXELS

if TYPE_CHECKING:
    from PIL.Image import Image

COUNT = 20
"""How many misses are shown."""

INSTEAD = 5
"""How many of the photos that were found instead are shown with each."""

SIDE = 320
"""The longer side of a thumbnail, in pixels."""

LONGEST = 500
"""How many characters of a caption are shown."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A photo in the picture.

    Attributes:
        photo: its path.
        rank: where it came.
        score: what it was ranked by.
        thumbnail: mode RGB, at most `SIDE` pixels a side; None where it cannot be read.
    """

    photo: Path
    rank: int
    score: float
    thumbnail: Image | None


@dataclass(frozen=True, slots=True)
class Miss:
    """A caption, cut where it is very long, that did not find its photo first."""

    caption: str
    right: Shown
    instead: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Misses:
    """The worst misses of one ranking, and of what.

    Attributes:
        encoder: the encoder's id.
        reranker: its name, or None.
        captions: how many were asked for.
        missed: how many did not find their photo first.
        photos: how many photos there were to find.
        worst: the worst misses, worst first, none of a photo twice.
    """

    encoder: str
    reranker: str | None
    captions: int
    missed: int
    photos: int
    worst: tuple[Miss, ...]

    @property
    def title(self) -> str:
        """What this is, in a line."""
        return f"Worst misses of {self.encoder}" + (f" + {self.reranker}" if self.reranker else "")

    @property
    def summary(self) -> str:
        """How many were missed, in a line."""
        return (
            f"{self.missed:,} of {self.captions:,} captions did not find their photo first among "
            f"{self.photos:,}. Shown are the {len(self.worst)} photos that were furthest behind."
        )


def require_picture_suffix(path: Path) -> None:
    """Tells, before anything is measured for it, whether a picture of misses can be written.

    Raises:
        OutputError: its suffix is none that can be written, or its folder is not there.
    """
    if path.suffix.lower() not in _writers():
        known = ", ".join(_writers())
        raise OutputError(f"{path} cannot be written: misses are drawn as {known}.")
    require_folder_of(path)


def write_misses(
    path: Path, report: EvaluationReport, *, max_megapixels: float = DEFAULT_MAX_MEGAPIXELS
) -> None:
    """Draws the worst misses of a report's last stage; the suffix chooses the format.

    Args:
        path: the file.
        report: of one encoder.
        max_megapixels: larger photos are not drawn.

    Raises:
        OutputError: the suffix is unknown, or the file cannot be written.
    """
    require_picture_suffix(path)
    misses = worst_misses(report, max_megapixels=max_megapixels)
    write_file(path, [_writers()[path.suffix.lower()](misses)])


def _writers() -> Mapping[str, Callable[[Misses], bytes]]:
    from mmsearch.evaluation.misses_html import as_html
    from mmsearch.evaluation.misses_png import as_png

    return {".html": as_html, ".png": as_png}


def worst_misses(
    report: EvaluationReport,
    *,
    count: int = COUNT,
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS,
) -> Misses:
    """The captions whose photos came last, in the report's last ranking of photos."""
    stage = [s for s in report.stages if Direction.TEXT_TO_IMAGE in s.results][-1]
    ranking = stage.results[Direction.TEXT_TO_IMAGE].ranking
    dataset, ranks, owners = report.dataset, ranking.ranks, ranking.relevance.photo
    thumbnails: dict[int, Image | None] = {}

    def shown(photo: int, rank: int, score: float) -> Shown:
        if photo not in thumbnails:
            thumbnails[photo] = _thumbnail(dataset.photos[photo], max_megapixels)
        return Shown(dataset.photos[photo], rank, score, thumbnails[photo])

    worst: dict[int, Miss] = {}
    for query in np.lexsort((np.arange(len(ranks)), -ranks)).tolist():
        photo = int(owners[query])
        if ranks[query] == 1 or len(worst) == count:
            break
        if photo in worst:
            continue
        found = zip(ranking.top[query].tolist(), ranking.similarities[query].tolist(), strict=True)
        instead = [
            shown(other, place, score)
            for place, (other, score) in enumerate(found, 1)
            if other != photo and place <= INSTEAD + 1
        ]
        worst[photo] = Miss(
            _cut(dataset.captions[query]),
            shown(photo, int(ranks[query]), float(ranking.right[query])),
            tuple(instead[:INSTEAD]),
        )
    return Misses(
        encoder=report.encoder,
        reranker=stage.reranker,
        captions=report.queries,
        missed=int(np.count_nonzero(ranks > 1)),
        photos=report.gallery,
        worst=tuple(worst.values()),
    )


def _cut(caption: str) -> str:
    return caption if len(caption) <= LONGEST else f"{caption[: LONGEST - 1]}…"


def _thumbnail(path: Path, max_megapixels: float) -> Image | None:
    from mmsearch.media.image import read_image_file

    try:
        image = read_image_file(path, max_megapixels=max_megapixels, min_size=(SIDE, SIDE)).image
    except MediaError:
        return None
    image.thumbnail((SIDE, SIDE))
    return image
