"""Finds the encoder that a name stands for.

``--model`` takes, in the order in which they are tried:

    auto                      the preset ``balanced``, or ``embedded`` where it cannot be had
    embedded                  ships inside the package
    testing                   mmsearch.testing.TinyEncoder
    fast, balanced, best      presets
    hf-hub:NAME               an open_clip model on the Hugging Face hub
    ARCH:FILE                 an open_clip architecture and a local checkpoint
    ARCH/TAG                  an open_clip architecture and pretrained tag
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeAlias

from mmsearch.encoders.base import Device, DualEncoder, EncoderIdentity
from mmsearch.encoders.presets import PRESETS
from mmsearch.errors import (
    DeviceUnavailableError,
    EncoderError,
    EncoderMismatchError,
    UnknownEncoderError,
)

_log = logging.getLogger("mmsearch.encoders")

Resolver: TypeAlias = Callable[[str, Device, str | None], DualEncoder | None]
"""Takes a spec, a device and the revision to pin (None: what is cached, else the newest);
returns None where the spec is not of its form."""


def load(spec: str = "auto", *, device: Device = "auto") -> DualEncoder:
    """Loads the encoder that ``spec`` stands for.

    Args:
        spec: what ``--model`` takes; see the module's docstring.
        device: where to run it. ``embedded`` and ``testing`` run on the CPU only.

    Raises:
        UnknownEncoderError: no encoder has this name.
        HubUnreachableError: its weights are not cached and the hub does not answer.
        WeightsError: its weights cannot be had or loaded.
        DeviceUnavailableError: the device is not there.
    """
    return _resolve(spec, device, None)


def reopen(identity: EncoderIdentity, *, device: Device = "auto") -> DualEncoder:
    """Loads the very encoder that an index was made with.

    Weights from the hub are taken at the revision that the index was made with.

    Raises:
        EncoderMismatchError: ``identity.spec`` now stands for other weights.
        EncoderError: as :func:`load`.
    """
    encoder = _resolve(identity.spec, device, identity.revision)
    if encoder.id != identity.id:
        raise EncoderMismatchError(
            f"This index was made with the encoder {identity.id}, but {identity.spec!r} is now "
            f"{encoder.id}; `mmsearch index --model NAME` re-encodes the index with the encoder "
            "NAME."
        )
    return encoder


def _resolve(spec: str, device: Device, revision: str | None) -> DualEncoder:
    for resolver in _RESOLVERS:
        encoder = resolver(spec, device, revision)
        if encoder is not None:
            return encoder
    raise UnknownEncoderError(f"No encoder is named {spec!r}; `mmsearch models` lists them.")


def _auto(spec: str, device: Device, _revision: str | None) -> DualEncoder | None:
    if spec != "auto":
        return None
    from mmsearch.encoders.open_clip import OpenClipEncoder, fetch_pretrained

    preset = PRESETS["balanced"]
    try:
        fetch_pretrained(preset.architecture, preset.tag)
    except EncoderError as error:
        _log.warning(
            "The preset 'balanced' cannot be had, so the smaller encoder 'embedded' is used: %s",
            error,
        )
        from mmsearch.encoders.embedded import EmbeddedEncoder

        return EmbeddedEncoder()
    return OpenClipEncoder.from_pretrained(preset.architecture, preset.tag, device=device)


def _embedded(spec: str, device: Device, _revision: str | None) -> DualEncoder | None:
    if spec != "embedded":
        return None
    _require_cpu(spec, device)
    from mmsearch.encoders.embedded import EmbeddedEncoder

    return EmbeddedEncoder()


def _testing(spec: str, device: Device, _revision: str | None) -> DualEncoder | None:
    if spec != "testing":
        return None
    _require_cpu(spec, device)
    from mmsearch.testing import TinyEncoder

    return TinyEncoder()


def _require_cpu(spec: str, device: Device) -> None:
    if device == "cuda":
        raise DeviceUnavailableError(
            f"The encoder {spec!r} runs on the CPU only; leave --device out, or choose another "
            "encoder with --model."
        )


# Tried in this order. A new kind of encoder is one more function here.
_RESOLVERS: tuple[Resolver, ...] = (_auto, _embedded, _testing)
