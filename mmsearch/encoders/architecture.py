"""What open_clip knows of an architecture: its configuration, its tags, its preprocessing.

open_clip's own factory is not used, because it falls back to random weights where it finds none,
loads pickles, and adds a handler to the root logger. Models are built from the same
configurations with the same classes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Any, TypeAlias

from mmsearch.encoders import hub
from mmsearch.encoders.base import ImageTransform
from mmsearch.errors import UnknownEncoderError, WeightsError

if TYPE_CHECKING:
    import torch

Config: TypeAlias = dict[str, Any]

_Channels: TypeAlias = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Architecture:
    """A model to build, and how its images are prepared.

    Attributes:
        name: for messages.
        config: open_clip's model configuration.
        transform: the resizing that its images take.
        mean: subtracted from each colour in 0..1.
        std: divides each colour after that.
    """

    name: str
    config: Config
    transform: ImageTransform
    mean: _Channels
    std: _Channels

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return int(self.config["embed_dim"])

    @property
    def text_config(self) -> Config:
        """The part of the configuration that describes the text tower."""
        text: Config = self.config["text_cfg"]
        return text


@dataclass(frozen=True, slots=True)
class Source:
    """Where a pretrained tag's weights are on the hub.

    Attributes:
        repo: ``owner/name``.
        names: the safetensors files that may hold them, in order of preference.
    """

    repo: str
    names: Sequence[str] = hub.WEIGHTS


def of_tag(name: str, tag: str) -> tuple[Architecture, Source]:
    """Describes an architecture as a pretrained tag was trained, and where its weights are.

    Raises:
        UnknownEncoderError: open_clip has no such architecture, or the architecture no such tag.
        WeightsError: the tag's weights are not on the hub.
    """
    from open_clip import get_pretrained_cfg, list_pretrained_tags_by_model

    config = _config(name)
    pretrained: Config = get_pretrained_cfg(name, tag)
    if not pretrained:
        tags = list_pretrained_tags_by_model(name)
        known = f"its tags are {', '.join(tags)}" if tags else "it has none; use ARCH:FILE"
        raise UnknownEncoderError(
            f"The architecture {name} has no pretrained tag {tag!r}{_perhaps(tag, tags)}: {known}."
        )
    if pretrained.get("quick_gelu"):
        # some tags want another activation than their architecture's configuration says
        config["quick_gelu"] = True
    repo, _, filename = str(pretrained.get("hf_hub", "")).rpartition("/")
    if not repo:
        raise WeightsError(
            f"The weights of {name}/{tag} are not on the hub; download {pretrained.get('url')} and "
            f"use `--model {name}:FILE` if you trust it."
        )
    own = (Path(filename).with_suffix(".safetensors").name,) if filename else ()
    return _describe(name, config, pretrained), Source(repo, (*own, *hub.WEIGHTS))


def of_name(name: str) -> Architecture:
    """Describes an architecture for a local checkpoint.

    Its images are prepared as for its pretrained tags where these agree, else as open_clip does
    by default: a SigLIP checkpoint would be useless with CLIP's preprocessing.

    Raises:
        UnknownEncoderError: open_clip has no such architecture.
    """
    from open_clip import get_pretrained_cfg, list_pretrained_tags_by_model

    config = _config(name)
    ways = [
        _describe(name, config, get_pretrained_cfg(name, tag))
        for tag in list_pretrained_tags_by_model(name)
    ]
    if ways and all(way == ways[0] for way in ways):
        return ways[0]
    return _describe(name, config, {})


def of_file(name: str, path: Path) -> Architecture:
    """Describes the model of an ``open_clip_config.json``.

    Raises:
        WeightsError: it is not such a file.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return _describe(name, content["model_cfg"], content.get("preprocess_cfg", {}))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"The open_clip_config.json of {name} cannot be read ({error!r}); it is not a model "
            "that open_clip can load."
        ) from error


def build(architecture: Architecture) -> torch.nn.Module:
    """Builds the model in evaluation mode; its parameters hold nothing until they are restored.

    Raises:
        HubUnreachableError: its text tower is described on the hub, which does not answer.
        WeightsError: the configuration is not one that open_clip can build.
    """
    from open_clip import CLIP, CoCa, CustomTextCLIP

    config = deepcopy(architecture.config)
    text, vision = config["text_cfg"], config["vision_cfg"]
    custom = config.pop("custom_text", False) or "hf_model_name" in text
    if "timm_model_name" in vision:
        vision["timm_model_pretrained"] = False
    if "hf_model_name" in text:
        described = hub.fetch(text["hf_model_name"], "config.json")
        text |= {"hf_model_name": str(described.path.parent), "hf_model_pretrained": False}
    family = (CoCa if "multimodal_cfg" in config else CustomTextCLIP) if custom else CLIP
    try:
        model = _build_stripped(family, config) or family(**config)
    except (TypeError, ValueError, RuntimeError, AssertionError, KeyError) as error:
        raise WeightsError(
            f"The installed open_clip cannot build {architecture.name}: {error}"
        ) from error
    return model.eval().requires_grad_(requires_grad=False)


def _build_stripped(family: type[torch.nn.Module], config: Config) -> torch.nn.Module | None:
    """Builds without storage; None for the few architectures that compute while they are built."""
    try:
        with _without_weights():
            model = family(**config)
    except (RuntimeError, NotImplementedError):
        return None
    return None if any(buffer.is_meta for buffer in model.buffers()) else model


@contextmanager
def _without_weights() -> Iterator[None]:
    """Leaves parameters without storage, as drawing random ones would take seconds."""
    from torch.nn import Module, Parameter
    from torch.nn.modules.module import register_module_parameter_registration_hook

    thread = get_ident()

    def strip(module: Module, name: str, parameter: Parameter | None) -> Parameter | None:
        # the hook is torch's for the whole process: leave models of other threads alone
        if parameter is None or get_ident() != thread:
            return parameter
        return Parameter(parameter.to("meta"), requires_grad=False)

    handle = register_module_parameter_registration_hook(strip)  # type: ignore[arg-type]
    try:
        yield
    finally:
        handle.remove()


def names() -> list[str]:
    """Every architecture that open_clip knows."""
    from open_clip import list_models

    return list(list_models())


def _config(name: str) -> Config:
    from open_clip import get_model_config

    config: Config | None = get_model_config(name) if name in names() else None
    if config is None:
        raise UnknownEncoderError(
            f"open_clip has no architecture {name!r}{_perhaps(name, names())}; `mmsearch models` "
            "lists good choices."
        )
    return config


def similar(word: str) -> list[str]:
    """What may have been meant: ``ARCH/TAG`` of an architecture with this or a similar name."""
    from open_clip import list_pretrained_tags_by_model

    if word in names():
        return [f"{word}/{tag}" for tag in list_pretrained_tags_by_model(word)]
    near = get_close_matches(word, names(), n=3)
    return [f"{name}/{tag}" for name in near for tag in list_pretrained_tags_by_model(name)[:1]]


def _perhaps(word: str, known: Sequence[str]) -> str:
    near = get_close_matches(word, known, n=3)
    return f" (did you mean {' or '.join(near)}?)" if near else ""


def _describe(name: str, config: Config, preprocess: Config) -> Architecture:
    from open_clip.transform import PreprocessCfg, merge_preprocess_dict

    merged = merge_preprocess_dict(PreprocessCfg(), preprocess)
    size = config["vision_cfg"].get("image_size", merged["size"])
    height, width = (size, size) if isinstance(size, int) else size
    mode = merged["resize_mode"]
    bilinear = merged["interpolation"] == "bilinear"
    if mode == "shortest" and height != width:
        bilinear = False  # what open_clip does for frames that are not square
    transform = ImageTransform(
        height, width, mode, "bilinear" if bilinear else "bicubic", merged["fill_color"]
    )
    return Architecture(
        name, config, transform, _channels(merged["mean"]), _channels(merged["std"])
    )


def _channels(value: float | Sequence[float]) -> _Channels:
    if isinstance(value, float | int):
        return (float(value),) * 3
    red, green, blue = value
    return (float(red), float(green), float(blue))
