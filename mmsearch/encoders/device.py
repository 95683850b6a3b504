"""Chooses where torch runs a model and in which number format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmsearch.encoders.base import Device
from mmsearch.errors import DeviceUnavailableError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a model runs.

    Attributes:
        device: torch's device.
        dtype: number format of weights and activations.
    """

    device: torch.device
    dtype: torch.dtype


def place(device: Device) -> Placement:
    """Chooses the device and the number format that run fastest at the same retrieval quality.

    Weights are bfloat16 where the processor multiplies in it (on x86 AMX-BF16 or AVX512-BF16),
    else float32; on CUDA bfloat16, or float16 before Ampere.

    Raises:
        DeviceUnavailableError: ``cuda`` was asked for and is not there.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceUnavailableError(
            "There is no CUDA device that torch can use; leave --device out to run on the CPU, or "
            "check the driver with `nvidia-smi`."
        )
    if device != "cpu" and torch.cuda.is_available():
        native = torch.cuda.get_device_capability()[0] >= 8
        return Placement(torch.device("cuda"), torch.bfloat16 if native else torch.float16)
    fast = _multiplies_bfloat16()
    return Placement(torch.device("cpu"), torch.bfloat16 if fast else torch.float32)


def _multiplies_bfloat16() -> bool:
    import torch

    # Underscored, but the only way torch tells; where a release lacks them, float32 is safe.
    questions = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    answers = (getattr(torch.cpu, question, None) for question in questions)
    return any(answer() for answer in answers if answer is not None)
