"""The devices that models may be asked to run on, as ``--device`` names them."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from mmsearch.errors import DeviceUnavailableError

Device: TypeAlias = Literal["auto", "cpu", "cuda"]

DEVICES: tuple[str, ...] = get_args(Device)


def require_known(device: str) -> None:
    """Checks the name of a device; whether it is there is found out where something runs on it.

    Raises:
        DeviceUnavailableError: mmsearch runs nothing on such a device.
    """
    if device not in DEVICES:
        raise DeviceUnavailableError(
            f"There is no device {device!r}; choose one of {', '.join(DEVICES)}."
        )
