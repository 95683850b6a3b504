"""Where every setting comes from: flag > MMSEARCH_* environment > mmsearch.toml > default.

``mmsearch.toml`` is looked for in the working directory, then in the user's configuration
directory. Its keys are the field names of `Settings`; the environment's are the same in capitals
after ``MMSEARCH_``.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from mmsearch.devices import DEVICES, Device
from mmsearch.errors import SettingsError
from mmsearch.paths import in_home

CONFIG_NAME = "mmsearch.toml"
DEFAULT_MAX_MEGAPIXELS = 200.0
"""Enough for the largest phone and medium format cameras; about 0.8 GB of pixels."""

_FOLDERS = ("data_dir", "encoders", "cache")
_MOST_JOBS = 1024
_BARE_NAME = re.compile(r"[A-Za-z0-9_-]+")
_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9}) ?(ms|s)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Settings:
    """The values in force.

    Attributes:
        index: name or path of the index to use.
        model: the encoder that new indexes are made with.
        device: ``auto``, ``cpu`` or ``cuda``.
        engine: what runs open_clip's image towers on the CPU: ``auto``, ``torch``,
            ``onnxruntime`` or ``openvino``.
        max_megapixels: larger images are refused.
        jobs: how many processor cores indexing uses; None for all.
        exclude: glob patterns of files and folders to leave out.
        ocr: whether the text in photos is read; None keeps what an index has.
        speech_model: recognises speech in recordings and videos.
        rerank: looks at a query's best hits again; None for what queries do by themselves.
        budget: seconds that reranking may take; None for as long as it needs.
        pictures: how the terminal is told to show pictures, where they are asked for: ``kitty``,
            ``iterm2``, ``sixel``, ``blocks``, or ``auto`` for what it can do.
        data_dir: where indexes that are given by name live.
        encoders: where encoders that ``mmsearch train`` stores by name live.
        cache: where what can be computed again is kept.
    """

    index: str = "default"
    model: str = "auto"
    device: Device = "auto"
    engine: str = "auto"
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS
    jobs: int | None = None
    exclude: tuple[str, ...] = ()
    ocr: bool | None = None
    speech_model: str = "auto"
    rerank: str | None = None
    budget: float | None = None
    pictures: Literal["auto", "kitty", "iterm2", "sixel", "blocks"] = "auto"
    data_dir: Path = Path()
    encoders: Path = Path()
    cache: Path = Path()

    def index_path(self, name_or_path: str | Path | None = None) -> Path:
        """The directory that an index name or path stands for.

        Letters, digits, ``-`` and ``_`` alone are the name of one of the user's own indexes,
        unless a folder of that name holds an index; everything else is a path.

        Raises:
            SettingsError: it is an empty text.
        """
        given = self.index if name_or_path is None else name_or_path
        if given == "":
            raise SettingsError("An index needs a name, or the path of a directory.")
        path = in_home(given)
        is_name = isinstance(given, str) and _BARE_NAME.fullmatch(given)
        if is_name and not os.path.exists(path / "catalog.sqlite"):  # noqa: PTH110 - never raises
            return self.data_dir / given
        return path.absolute()


def load_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    config: Path | None = None,
) -> Settings:
    """Combines flags, environment and configuration file.

    Args:
        flags: values given on the command line; None means not given.
        environ: the environment, ``os.environ`` by default.
        config: the configuration file, by default the first ``mmsearch.toml`` that exists.

    Raises:
        SettingsError: a value cannot be used; the message names where it came from.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = _default_folders()
    config = _find_config() if config is None else config
    if config is not None:
        for name, value in _read_config(config).items():
            values[name] = _convert(name, value, origin=f"{config}: {name}")
    for field in fields(Settings):
        variable = f"MMSEARCH_{field.name.upper()}"
        if environ.get(variable):
            values[field.name] = _convert(field.name, environ[variable], origin=variable)
    for name, value in (flags or {}).items():
        if value is not None:
            values[name] = _convert(name, value, origin=f"--{name.replace('_', '-')}")
    return Settings(**values)


def _default_folders() -> dict[str, Path]:
    from platformdirs import user_cache_path, user_data_path

    home = user_data_path("mmsearch", appauthor=False)
    cache = user_cache_path("mmsearch", appauthor=False)
    return {"data_dir": home / "indexes", "encoders": home / "encoders", "cache": cache}


def _find_config() -> Path | None:
    local = Path(CONFIG_NAME)
    if local.is_file():
        return local.absolute()
    from platformdirs import user_config_path

    users = user_config_path("mmsearch", appauthor=False) / CONFIG_NAME
    return users if users.is_file() else None


def _read_config(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.") from error
    known = {field.name for field in fields(Settings)}
    for name in values:
        if name not in known:
            raise SettingsError(
                f"{path}: there is no setting {name!r}; known are {', '.join(sorted(known))}."
            )
    return values


def _convert(name: str, value: Any, *, origin: str) -> Any:
    """Checks one value and gives it its type."""
    if name == "exclude":
        # The environment holds one string; patterns are separated as in PATH.
        patterns = value.split(os.pathsep) if isinstance(value, str) else value
        if isinstance(patterns, list | tuple) and all(isinstance(p, str) for p in patterns):
            return tuple(patterns)
        raise SettingsError(f"{origin} must be a list of glob patterns.")
    if name == "max_megapixels":
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = 0.0
        if not 0 < number < float("inf"):
            raise SettingsError(f"{origin} must be a number above 0, not {value!r}.")
        return number
    if name == "jobs":
        return _count(value, origin)
    if name == "ocr":
        return _truth(value, origin)
    if name == "budget":
        return _seconds(value, origin)
    if name in _FOLDERS and isinstance(value, Path):
        return value.absolute()
    if not isinstance(value, str) or not value:
        raise SettingsError(f"{origin} must be a text, not {value!r}.")
    if name in _FOLDERS:
        return in_home(value).absolute()
    if name == "device" and value not in DEVICES:
        raise SettingsError(f"{origin} must be auto, cpu or cuda, not {value!r}.")
    if name == "pictures" and value not in ("auto", "kitty", "iterm2", "sixel", "blocks"):
        raise SettingsError(
            f"{origin} must be auto, kitty, iterm2, sixel or blocks, not {value!r}."
        )
    return value


def _count(value: Any, origin: str) -> int:
    word = str(value).strip()
    if isinstance(value, bool) or not word.isdecimal() or not 0 < int(word) <= _MOST_JOBS:
        raise SettingsError(f"{origin} must be a whole number from 1 to {_MOST_JOBS}.")
    return int(word)


def _seconds(value: Any, origin: str) -> float:
    """Reads a span of time: ``300ms``, ``1.5s``, or a number of seconds."""
    span = _SPAN.fullmatch(str(value).strip()) if not isinstance(value, bool) else None
    seconds = float(span[1]) * (0.001 if span[2] == "ms" else 1) if span else 0.0
    if not 0 < seconds < float("inf"):
        raise SettingsError(f"{origin} must be a time such as 300ms or 2s, not {value!r}.")
    return seconds


def _truth(value: Any, origin: str) -> bool:
    """Reads TOML's booleans, and what people write into the environment."""
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("0", "false", "no", "off"):
        return False
    raise SettingsError(f"{origin} must be true or false, not {value!r}.")
