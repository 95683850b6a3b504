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
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from mmsearch.encoders.base import DelegatingEncoder, DualEncoder
from mmsearch.encoders.text_onnx.tower import DESCRIPTION, FORMAT, Description, TextTower
from mmsearch.errors import EncoderError, WeightsError
from mmsearch.settings import load_settings

if TYPE_CHECKING:
    from mmsearch.encoders.adapted import AdaptedEncoder

_log = logging.getLogger("mmsearch.encoders")

_UNSUPPORTED = "unsupported.json"
_UNFINISHED = ".text-"  # how folders are called until they are complete
_STALE = 3600.0  # seconds after which nobody is at work on one any more


@runtime_checkable
class TextExporter(DualEncoder, Protocol):
    """A dual encoder whose text tower can be exported."""

    def export_texts(self, folder: Path, adapted: AdaptedEncoder | None = None) -> None:
        """Writes the text tower into an empty folder.

        Args:
            folder: where to.
            adapted: whose tower it is then, with this encoder as its base.

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
    _forget_others(places.index)
    write = _writer(encoder)
    if write is None or places.is_complete() or not places.may_export():
        return
    try:
        cached = Description.load(places.cache)
        if cached is None or cached.encoder != encoder.id:
            _export(write, places.cache)
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


def can_export(encoder: DualEncoder) -> bool:
    """Whether queries by an encoder need torch as long as its text tower is not exported."""
    return _writer(encoder) is not None


def _export(write: Callable[[Path], None], folder: Path) -> None:
    with _replacing(folder) as unfinished:
        write(unfinished)


def _writer(encoder: DualEncoder) -> Callable[[Path], None] | None:
    """Writes the text tower of an encoder; None for encoders that need no torch."""
    if isinstance(encoder, TextExporter):
        return encoder.export_texts
    if isinstance(encoder, DelegatingEncoder):
        from mmsearch.encoders.adapted import AdaptedEncoder  # which most queries do without

        if isinstance(encoder, AdaptedEncoder) and isinstance(encoder.base, TextExporter):
            return partial(encoder.base.export_texts, adapted=encoder)
    return None


def _share(source: Path, folder: Path) -> None:
    with _replacing(folder) as unfinished:
        for path in source.iterdir():
            try:
                os.link(path, unfinished / path.name)
            except OSError:  # another file system, or one without hard links
                shutil.copyfile(path, unfinished / path.name)


def _forget_others(folder: Path) -> None:
    """Deletes towers of encoders that an index had before, and what a killed export has left."""
    for other in folder.parent.glob("text-*"):
        if other != folder and (other / DESCRIPTION).is_file():
            shutil.rmtree(other, ignore_errors=True)
    _clear_unfinished(folder.parent)


def _clear_unfinished(parent: Path) -> None:
    for left in parent.glob(f"{_UNFINISHED}*"):
        with suppress(OSError):  # another process was first
            if time.time() - left.stat().st_mtime > _STALE:
                shutil.rmtree(left)


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """A folder to fill that then takes the place of another one, whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    _clear_unfinished(folder.parent)
    unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder.parent))
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
