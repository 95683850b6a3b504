"""Chooses where torch runs a model and in which number format."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from mmsearch.encoders.base import Device
from mmsearch.errors import DeviceUnavailableError

if TYPE_CHECKING:
    import torch

_log = logging.getLogger(__name__)


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
    else float32; on CUDA bfloat16, or float16 before Ampere. A CUDA device that torch sees and
    cannot compute on (it is older than what torch was built for, or full) gives way to the CPU,
    with one notice.

    Raises:
        DeviceUnavailableError: ``cuda`` was asked for and is not there, or cannot be used.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceUnavailableError(
            "There is no CUDA device that torch can use; leave --device out to run on the CPU, or "
            "check the driver with `nvidia-smi`."
        )
    if device != "cpu" and torch.cuda.is_available():
        try:
            return _on_cuda()
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            if device == "cuda":
                raise DeviceUnavailableError(
                    f"torch cannot use the CUDA device ({reason}); leave --device out to run on "
                    "the CPU."
                ) from error
            _notice(reason)
    fast = _multiplies_bfloat16()
    return Placement(torch.device("cpu"), torch.bfloat16 if fast else torch.float32)


def _on_cuda() -> Placement:
    """The CUDA device, tried out.

    Raises:
        RuntimeError: it does not compute.
    """
    import torch

    native = torch.cuda.get_device_capability()[0] >= 8
    found = Placement(torch.device("cuda"), torch.bfloat16 if native else torch.float16)
    torch.zeros(1, dtype=found.dtype, device=found.device).add_(1).item()
    return found


@cache
def _notice(reason: str) -> None:
    _log.warning("torch cannot use the CUDA device (%s); the CPU is used.", reason)


def _multiplies_bfloat16() -> bool:
    import torch

    # Underscored, but the only way torch tells; where a release lacks them, float32 is safe.
    questions = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    answers = (getattr(torch.cpu, question, None) for question in questions)
    return any(answer() for answer in answers if answer is not None)
