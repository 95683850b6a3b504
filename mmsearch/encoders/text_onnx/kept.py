"""Where exported text towers are kept.

A tower is exported once into the user's cache, under its encoder's identity, and every index of
that encoder holds it too, by hard links where the file system has them: an index that is moved to
another machine keeps answering without torch, and ten indexes take the space of one tower.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol, runtime_checkable

from mmsearch.encoders.base import DualEncoder
from mmsearch.encoders.text_onnx.tower import DESCRIPTION, FORMAT, Description, TextTower
from mmsearch.errors import EncoderError, WeightsError
from mmsearch.settings import load_settings

_log = logging.getLogger("mmsearch.encoders")

_UNSUPPORTED = "unsupported.json"


@runtime_checkable
class TextExporter(DualEncoder, Protocol):
    """A dual encoder whose text tower can be exported."""

    def export_texts(self, folder: Path) -> None:
        """Writes the text tower into an empty folder.

        Raises:
            EncoderError: it cannot be exported, or comes out different.
            OSError: the folder cannot be written to.
        """


@dataclass(frozen=True, slots=True)
class TowerPlaces:
    """Where the text tower of one encoder may be.

    Attributes:
        encoder: the encoder's id.
        index: the folder in the index.
        cache: the folder in the user's cache.
    """

    encoder: str
    index: Path
    cache: Path

    @classmethod
    def of(cls, encoder: str, index: Path) -> TowerPlaces:
        """The places for an encoder, by its id, and an index directory."""
        name = f"text-{sha256(encoder.encode()).hexdigest()[:16]}"
        return cls(encoder, index / name, load_settings().cache / "text-towers" / name)

    def open(self) -> TextTower | None:
        """The tower; None where there is none. One that is damaged is cleared away."""
        for folder in (self.index, self.cache):
            description = Description.load(folder)
            if description is None or description.encoder != self.encoder:
                continue
            try:
                return TextTower(folder, description)
            except WeightsError as error:
                _log.warning("%s It is made again.", error)
                shutil.rmtree(folder, ignore_errors=True)
        return None

    def may_export(self) -> bool:
        """Whether these versions have not found out yet that the tower cannot be exported."""
        try:
            noted = json.loads((self.cache / _UNSUPPORTED).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return True
        return not isinstance(noted, dict) or noted.get("tried") != _versions()

    def is_complete(self) -> bool:
        """Whether the index holds the tower."""
        description = Description.load(self.index)
        return description is not None and description.encoder == self.encoder


def keep_text_tower(encoder: DualEncoder, index: Path) -> None:
    """Sees to it that an index holds its encoder's text tower.

    Does nothing for encoders that need no torch. Where the tower cannot be exported or kept, a
    notice says so; queries then load the encoder itself.

    Args:
        encoder: the index's, loaded.
        index: its directory.
    """
    places = TowerPlaces.of(encoder.id, index)
    if not isinstance(encoder, TextExporter) or places.is_complete() or not places.may_export():
        return
    try:
        cached = Description.load(places.cache)
        if cached is None or cached.encoder != encoder.id:
            _export(encoder, places.cache)
    except EncoderError as error:
        _log.warning(
            "Every query of this index loads torch, which takes seconds: the text tower of %s "
            "cannot be exported (%s).",
            encoder.id,
            error,
        )
        _note_unsupported(places.cache, str(error))
        return
    except OSError as error:
        _log.warning("The text tower of %s could not be kept: %s", encoder.id, error)
        return
    try:
        _share(places.cache, places.index)
    except OSError as error:  # an index on a medium that is read only, for instance
        _log.debug("The text tower stays in the cache alone: %s", error)


def _export(encoder: TextExporter, folder: Path) -> None:
    with _replacing(folder) as unfinished:
        encoder.export_texts(unfinished)


def _share(source: Path, folder: Path) -> None:
    with _replacing(folder) as unfinished:
        for path in source.iterdir():
            try:
                os.link(path, unfinished / path.name)
            except OSError:  # another file system, or one without hard links
                shutil.copyfile(path, unfinished / path.name)
    for other in folder.parent.glob("text-*"):  # of an encoder that the index had before
        if other != folder and (other / DESCRIPTION).is_file():
            shutil.rmtree(other, ignore_errors=True)


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """A folder to fill that then takes the place of another one, whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=".text-", dir=folder.parent))
    try:
        yield unfinished
        for path in unfinished.iterdir():
            _sync(path)
        # mkdtemp and onnx keep what they make to its owner, but an index may be shared.
        readers = folder.parent.stat().st_mode & 0o555
        unfinished.chmod(0o755 & (readers | 0o700))
        for path in unfinished.iterdir():
            path.chmod(0o644 & (readers | 0o600))
        shutil.rmtree(folder, ignore_errors=True)
        try:
            unfinished.rename(folder)
        except OSError:
            if Description.load(folder) is None:  # else another process was first, with the same
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _note_unsupported(folder: Path, reason: str) -> None:
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        content = json.dumps({"tried": _versions(), "reason": reason}, indent=2)
        (folder / _UNSUPPORTED).write_text(content, encoding="utf-8")


def _versions() -> list[str | int]:
    """What may make an export work that did not."""
    from importlib.metadata import version

    return [FORMAT, version("open_clip_torch"), version("torch")]


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
