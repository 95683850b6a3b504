"""Reads weights without running what a file may carry, and puts them into a model."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mmsearch.encoders import architecture as architectures
from mmsearch.encoders.architecture import Architecture
from mmsearch.errors import EncoderError, WeightsError

if TYPE_CHECKING:
    import torch

StateDict: TypeAlias = "dict[str, torch.Tensor]"

_PICKLES = (".pt", ".pth", ".bin", ".ckpt")
_PREFIX = "module."  # left by torch.nn.parallel.DistributedDataParallel
_SHOWN = 3  # differing tensors that a message names


def digest(path: Path) -> str:
    """The first 16 hexadecimal digits of a file's SHA-256.

    Raises:
        WeightsError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise WeightsError(f"The checkpoint {path} cannot be read: {error.strerror}.") from error


def read(path: Path) -> StateDict:
    """Reads the tensors of a checkpoint.

    Takes safetensors, and what ``torch.save`` wrote (``.pt``, ``.pth``, ``.bin``, ``.ckpt``) as
    far as it holds nothing but tensors and plain values; a state dict nested under
    ``state_dict``, and names that begin with ``module.``, as training leaves them.

    Raises:
        WeightsError: the file cannot be read, is of another kind, or carries anything that would
            run on loading.
    """
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    tensors = _tensors(content)
    if not tensors:
        raise WeightsError(f"{path} holds no state dict; save model.state_dict() and use that.")
    if all(name.startswith(_PREFIX) for name in tensors):
        tensors = {name.removeprefix(_PREFIX): tensor for name, tensor in tensors.items()}
    return tensors


def restore(model: torch.nn.Module, path: Path, architecture: Architecture) -> None:
    """Puts the tensors of a checkpoint into a model; every one has to fit.

    Positional embeddings are not stretched to fit, as open_clip would: the architecture of
    another image size is the right one then.

    Raises:
        WeightsError: the checkpoint cannot be read, or belongs to another architecture, which is
            named where one is found.
    """
    state = read(path)
    adapted = _adapt(model, state)
    differences = _differences(model, adapted)
    if differences:
        shown = "; ".join(differences[:_SHOWN])
        more = f"; and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
        fitting = _fitting(state)
        hint = f" The checkpoint fits {' or '.join(fitting)}." if fitting else ""
        raise WeightsError(
            f"The weights in {path} do not fit {architecture.name}: {shown}{more}.{hint}"
        )
    model.load_state_dict(adapted, assign=True)


def _read_safetensors(path: Path) -> StateDict:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"{path} cannot be read as safetensors ({error}); fetch it again."
        ) from error


def _read_pickle(path: Path) -> object:
    from pickle import UnpicklingError

    import torch

    if path.suffix not in _PICKLES:
        raise WeightsError(
            f"{path} is no checkpoint that mmsearch reads: use .safetensors or "
            f"{', '.join(_PICKLES)}."
        )
    if _is_torchscript(path):
        raise WeightsError(
            f"{path} is a TorchScript archive, which holds a program; save the model's "
            "state_dict() as safetensors where you trust it, and use that."
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise WeightsError(
            f"{path} is damaged or holds more than tensors, and loading that could run programs; "
            "save its state_dict() as safetensors where you trust it, and use that."
        ) from error
    except Exception as error:  # a damaged file makes the readers below raise almost anything
        raise WeightsError(f"The checkpoint {path} cannot be read: {error}") from error


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _tensors(content: object) -> StateDict:
    import torch

    if not isinstance(content, Mapping):
        return {}
    return {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}


def _adapt(model: torch.nn.Module, state: StateDict) -> StateDict:
    """Renames and reshapes what differs between releases of open_clip and its forks."""
    import torch
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict

    adapted: StateDict = dict(convert_state_dict(model, state))
    if not hasattr(model, "positional_embedding"):
        adapted = convert_to_custom_text_state_dict(adapted)
    expected = model.state_dict()
    for name in ("logit_scale", "logit_bias"):  # a scalar here, a vector of one there
        if name in adapted and name in expected and adapted[name].numel() == 1:
            adapted[name] = adapted[name].reshape(expected[name].shape)
    # neither is used by a dual encoder: a bias of the loss, and positions counted from 0
    adapted.pop("text.transformer.embeddings.position_ids", None)
    if "logit_bias" not in expected:
        adapted.pop("logit_bias", None)
    elif "logit_bias" not in adapted:
        adapted["logit_bias"] = torch.zeros(expected["logit_bias"].shape)
    return adapted


def _differences(model: torch.nn.Module, state: StateDict) -> list[str]:
    expected = model.state_dict()
    shapes = [
        f"{name} has shape {_shape(state[name])} in place of {_shape(tensor)}"
        for name, tensor in expected.items()
        if name in state and state[name].shape != tensor.shape
    ]
    missing = [f"{name} is missing" for name in expected if name not in state]
    unexpected = [f"{name} has no place" for name in state if name not in expected]
    return shapes + missing + unexpected


def _shape(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def _fitting(state: StateDict) -> list[str]:
    """Names the architectures into which a checkpoint fits, as far as it is easy to tell."""
    import torch

    found = []
    for name in architectures.names():
        candidate = architectures.of_name(name)
        if not _may_fit(candidate, state):
            continue
        try:
            with torch.device("meta"):
                model = architectures.build(candidate)
        except (EncoderError, NotImplementedError):
            continue
        if not _differences(model, _adapt(model, state)):
            found.append(name)
    return found


def _may_fit(candidate: Architecture, state: StateDict) -> bool:
    """Compares the table of word embeddings, so that few models have to be built."""
    text = candidate.text_config
    if "hf_model_name" in text:
        return False
    table = state.get("token_embedding.weight", state.get("text.token_embedding.weight"))
    size = (text.get("vocab_size", 49408), text.get("width", 512))
    return table is None or tuple(table.shape) == size
