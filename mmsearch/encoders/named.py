"""Encoders that ``mmsearch train`` stored under names of the user's own.

Each is a folder in the folder of encoders (``MMSEARCH_ENCODERS``), of one of two kinds:

    NAME/encoder.json    residual heads on another encoder; heads.safetensors beside it
    NAME/manifest.json   whole weights of the embedded encoder, as mmsearch.training writes them

Beside them lie the card, the curves and the heads as ONNX, which loading does not need.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from mmsearch.encoders.base import DualEncoder
from mmsearch.encoders.presets import PRESETS
from mmsearch.errors import (
    EncoderError,
    EncoderMismatchError,
    MmsearchError,
    UnknownEncoderError,
    WeightsError,
)
from mmsearch.settings import load_settings

ENCODER = "encoder.json"
CARD = "README.md"
BUILT_IN = ("auto", "embedded", "testing", *PRESETS)
"""Names that a stored encoder can never have."""

_FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_DEVICES = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]", re.IGNORECASE)  # of Windows

_log = logging.getLogger("mmsearch.encoders")

Open: TypeAlias = Callable[[str, str | None], DualEncoder]
"""Loads the encoder of a spec, at a revision where it is given."""


@dataclass(frozen=True, slots=True)
class BaseReference:
    """The encoder that heads were trained on.

    Attributes:
        spec: what loads it.
        id: its identity's id.
        revision: its identity's revision.
    """

    spec: str
    id: str
    revision: str


@dataclass(frozen=True, slots=True)
class HeadsManifest:
    """What ``encoder.json`` says.

    Attributes:
        name: under which the encoder was trained.
        revision: names base and heads together.
        dim: length of an embedding.
        base: the encoder below the heads.
    """

    name: str
    revision: str
    dim: int
    base: BaseReference

    def save(self, folder: Path) -> None:
        """Writes the manifest into the folder of an encoder."""
        document = {"format": _FORMAT, **asdict(self)}
        text = json.dumps(document, indent=2) + "\n"
        (folder / ENCODER).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> HeadsManifest:
        """Reads the manifest in the folder of an encoder.

        Raises:
            WeightsError: there is none, it is damaged, or a newer mmsearch wrote it.
        """
        path = folder / ENCODER
        try:
            document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if document["format"] > _FORMAT:
                raise WeightsError(f"{path} was written by a newer mmsearch: upgrade mmsearch.")
            return cls(
                name=str(document["name"]),
                revision=str(document["revision"]),
                dim=int(document["dim"]),
                base=BaseReference(**document["base"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WeightsError(
                f"The encoder in {folder} cannot be loaded ({error}); train it again."
            ) from error


def check_name(name: str) -> None:
    """Tells whether an encoder can be stored under a name.

    Raises:
        EncoderError: it cannot; the message says why.
    """
    if not _NAME.fullmatch(name) or _DEVICES.fullmatch(name):
        raise EncoderError(
            f"An encoder cannot be named {name!r}: use up to 64 letters, digits, `-` and `_`, "
            "a letter or digit first."
        )
    if name.lower() in BUILT_IN:
        raise EncoderError(
            f"{name!r} is the name of an encoder that comes with mmsearch; choose another one."
        )


def folder_of(name: str) -> Path:
    """Where the encoder of a valid name is or would be stored."""
    return load_settings().encoders / name


def find(name: str) -> Path | None:
    """The folder of the stored encoder of this name, if there is one."""
    try:
        check_name(name)
    except EncoderError:
        return None
    folder = folder_of(name)
    return folder if _is_encoder(folder) else None


def names() -> list[str]:
    """The names of all stored encoders, in alphabetical order."""
    home = load_settings().encoders
    if not home.is_dir():
        return []
    return sorted(path.name for path in home.iterdir() if find(path.name) is not None)


def load_folder(folder: Path, open_base: Open) -> DualEncoder:
    """Loads a stored encoder.

    Args:
        folder: as `find` gives it.
        open_base: loads the base of heads.

    Raises:
        WeightsError: what is stored cannot be loaded.
        EncoderMismatchError: its base is no longer the one that it was trained on.
        UnknownEncoderError: its base is no longer there.
        EncoderError: its base cannot be loaded.
    """
    if not (folder / ENCODER).is_file():
        from mmsearch.encoders.embedded import EmbeddedEncoder

        return EmbeddedEncoder(weights=folder, spec=folder.name)
    from mmsearch.encoders import adapted

    bases(folder.name)  # which ends
    manifest = HeadsManifest.load(folder)
    try:
        base = open_base(manifest.base.spec, manifest.base.revision)
    except UnknownEncoderError as error:
        raise UnknownEncoderError(
            f"The encoder {folder.name!r} was trained on {manifest.base.id}, which is no longer "
            f"here. {error}"
        ) from error
    if base.id != manifest.base.id:
        raise EncoderMismatchError(
            f"The encoder {folder.name!r} was trained on {manifest.base.id}, but "
            f"{manifest.base.spec!r} is {base.id} here. Train it again with "
            f"`mmsearch train {folder.name} --force`."
        )
    heads = adapted.load_heads(folder / adapted.HEADS)
    if heads.revision(base.id) != manifest.revision:
        raise WeightsError(
            f"{folder / adapted.HEADS} does not hold the heads that {ENCODER} beside it describes; "
            f"train them again with `mmsearch train {folder.name} --force`."
        )
    return adapted.AdaptedEncoder(
        base,
        heads,
        spec=folder.name,
        name=manifest.name,
        revision=manifest.revision,
    )


def bases(spec: str) -> list[BaseReference]:
    """The encoders below a stored one, from the top; empty for any other encoder.

    Raises:
        WeightsError: one of them is damaged, or is above itself.
    """
    found: list[BaseReference] = []
    while (folder := find(spec)) is not None and (folder / ENCODER).is_file():
        base = HeadsManifest.load(folder).base
        spec = base.spec
        if any(spec == other.spec for other in found):
            raise WeightsError(f"The encoder in {folder} is its own base; train it again.")
        found.append(base)
    return found


@dataclass(frozen=True, slots=True)
class Summary:
    """One stored encoder.

    Attributes:
        name: its name.
        base: the spec of the encoder that it was made from.
        dim: length of an embedding.
        lowest: the encoder that it needs below all heads; None where it is whole.
    """

    name: str
    base: str
    dim: int
    lowest: BaseReference | None


def summaries() -> list[Summary]:
    """All stored encoders; one that is damaged is left out."""
    found = []
    for name in names():
        folder = folder_of(name)
        try:
            if (folder / ENCODER).is_file():
                manifest = HeadsManifest.load(folder)
                found.append(Summary(name, manifest.base.spec, manifest.dim, bases(name)[-1]))
            else:
                from mmsearch.encoders.embedded.manifest import Manifest

                found.append(Summary(name, "embedded", Manifest.load(folder).dim, None))
        except MmsearchError as error:
            _log.warning("Left out the encoder %s: %s", name, error)
    return found


def _is_encoder(folder: Path) -> bool:
    from mmsearch.encoders.embedded.manifest import MANIFEST

    return (folder / ENCODER).is_file() or (folder / MANIFEST).is_file()
