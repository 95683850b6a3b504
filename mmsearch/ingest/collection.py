"""Caption files that speak of many photos of a source."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from mmsearch.errors import DatasetError
from mmsearch.items import Failure
from mmsearch.media.caption_files import CaptionRow, match_captions

ReadCaptions: TypeAlias = Callable[[Path], list[CaptionRow]]
"""As `mmsearch.media.caption_files.read_caption_rows`."""


@dataclass(slots=True)
class CaptionCollection:
    """What the caption files of a source say.

    Attributes:
        rows: photos' names and captions, of all files in turn.
        failed: files that could not be read. As long as there are any, nobody knows what the
            whole says of a photo, and what was read from them earlier is kept.
    """

    rows: list[CaptionRow] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)

    @classmethod
    def of(cls, files: Sequence[Path], read: ReadCaptions) -> CaptionCollection:
        """Reads caption files with ``read``; what is wrong with one is noted, not raised."""
        found = cls()
        for path in files:
            try:
                found.rows.extend(read(path))
            except DatasetError as error:
                found.failed.append(Failure(path, str(error)))
        return found

    def by_path(self, paths: Collection[str]) -> tuple[dict[str, list[str]], int]:
        """The captions of each photo.

        Args:
            paths: of all photos of the source, relative to it.

        Returns:
            The captions by path, and how many captions speak of no photo of the source.
        """
        return match_captions(self.rows, paths)
