"""What there is to do with one file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmsearch.catalog.records import ContentKey, FileState, KnownAsset
from mmsearch.media.files import content_hash
from mmsearch.media.formats import MediaKind


@dataclass(frozen=True, slots=True)
class Companion:
    """A file that speaks of another one.

    Attributes:
        location: absolute path.
        file: its state; the path is relative to the source.
        is_in_source: whether the source holds it too: not where the source is a single file.
    """

    location: Path
    file: FileState
    is_in_source: bool = True


@dataclass(frozen=True, slots=True)
class Job:
    """One file to read, wholly or only what other files say of it.

    Attributes:
        source_id: the source it belongs to.
        location: absolute path.
        kind: what it is.
        file: its state now; its content is not known yet.
        before: what the catalog knows of its path.
        reads_content: whether the file itself must be read, not only its companions.
        companions: the files beside it that speak of it, the best first.
        captions: what caption files say of it; None where that cannot be told now.
        mended: assets that stand for companions: what could not be read before, or was a text of
            its own.
        ocr: whether to read the text in it.
    """

    source_id: int
    location: Path
    kind: MediaKind
    file: FileState
    before: KnownAsset | None
    reads_content: bool = True
    companions: tuple[Companion, ...] = ()
    captions: tuple[str, ...] | None = ()
    mended: tuple[KnownAsset, ...] = ()
    ocr: bool = False

    @property
    def is_timed(self) -> bool:
        """Whether it has a duration, and may take long."""
        return self.kind in (MediaKind.RECORDING, MediaKind.VIDEO)

    def content_key(self, file: FileState) -> ContentKey:
        """The key of what a state of this file holds."""
        return ContentKey.of(file.content_hash, file.reading, self.location.name)


def state_of_texts(texts: Sequence[str]) -> str | None:
    """Names what caption files say of a file: equal texts have equal names; None for nothing."""
    return content_hash("\0".join(texts).encode("utf-8", "surrogatepass")) if texts else None


def state_of_files(files: Sequence[FileState]) -> str | None:
    """Names the state of companions: it changes when one comes, changes or goes; None for none."""
    if not files:
        return None
    parts = "\0".join(f"{file.path}\0{file.size}\0{file.mtime_ns}" for file in files)
    return content_hash(parts.encode("utf-8", "surrogatepass"))
