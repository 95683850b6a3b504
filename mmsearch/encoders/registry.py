"""Finds the encoder that a name stands for.

``--model`` takes, in the order in which they are tried:

    auto                      the preset ``balanced``, or ``embedded`` where it cannot be had
    embedded                  ships inside the package
    embedded:FOLDER           the same with weights of one's own, from mmsearch.training
    testing                   mmsearch.testing.TinyEncoder
    fast, balanced, best      presets
    NAME                      an encoder that ``mmsearch train`` stored
    hf-hub:NAME               an open_clip model on the Hugging Face hub
    ARCH:FILE                 an open_clip architecture and a local checkpoint
    ARCH/TAG                  an open_clip architecture and pretrained tag
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import TypeAlias

from mmsearch.devices import require_known
from mmsearch.encoders import hub, named
from mmsearch.encoders.base import Device, DualEncoder, EncoderIdentity
from mmsearch.encoders.listing import EncoderListing, available
from mmsearch.encoders.presets import PRESETS, fetch
from mmsearch.errors import (
    DeviceUnavailableError,
    EncoderError,
    EncoderMismatchError,
    UnknownEncoderError,
)

__all__ = ["EncoderListing", "available", "load", "reopen"]

_log = logging.getLogger("mmsearch.encoders")

_HUB_PREFIX = "hf-hub:"

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

    Weights from the hub are taken at the revision that the index was made with, though newer
    ones may be there.

    Raises:
        EncoderMismatchError: ``identity.spec`` now stands for other weights.
        UnknownEncoderError: it stands for nothing any more.
        EncoderError: as :func:`load`.
    """
    try:
        encoder = _resolve(identity.spec, device, identity.revision)
    except UnknownEncoderError as error:
        raise UnknownEncoderError(
            f"This index was made with the encoder {identity.id}, which is no longer here. {error} "
            "Bring it back, or re-encode the index with `mmsearch index --model NAME`."
        ) from error
    if encoder.id != identity.id:
        raise EncoderMismatchError(
            f"This index was made with the encoder {identity.id}, but {identity.spec!r} is "
            f"{encoder.id} here. Bring the first one back, or re-encode the index with "
            "`mmsearch index --model NAME`."
        )
    return encoder


def _resolve(spec: str, device: Device, revision: str | None) -> DualEncoder:
    require_known(device)
    for resolver in _RESOLVERS:
        encoder = resolver(spec, device, revision)
        if encoder is not None:
            return encoder
    raise _unknown(spec)


def _auto(spec: str, device: Device, _revision: str | None) -> DualEncoder | None:
    if spec != "auto":
        return None
    balanced = PRESETS["balanced"]
    try:
        # without open_clip, which takes seconds to import where it may not be needed
        fetch(balanced)
    except EncoderError as error:
        obstacle = str(error)
    else:
        return _resolve(balanced.spec, device, None)
    _log.warning(
        "Using the encoder 'embedded', which ships with mmsearch, because the better preset "
        "'balanced' cannot be had: %s",
        obstacle,
    )
    return _embedded("embedded", "auto", None)


def _embedded(spec: str, device: Device, _revision: str | None) -> DualEncoder | None:
    name, _, folder = spec.partition(":")
    if name != "embedded":
        return None
    _require_cpu(spec, device)
    from mmsearch.encoders.embedded import EmbeddedEncoder

    return EmbeddedEncoder(weights=Path(folder)) if folder else EmbeddedEncoder()


def _testing(spec: str, device: Device, _revision: str | None) -> DualEncoder | None:
    if spec != "testing":
        return None
    _require_cpu(spec, device)
    from mmsearch.testing import TinyEncoder

    return TinyEncoder()


def _preset(spec: str, device: Device, revision: str | None) -> DualEncoder | None:
    preset = PRESETS.get(spec)
    return _tag(preset.spec, device, revision) if preset else None


def _named(spec: str, device: Device, _revision: str | None) -> DualEncoder | None:
    folder = named.find(spec)
    if folder is None:
        return None
    if not (folder / named.ENCODER).is_file():
        _require_cpu(spec, device)
    return named.load_folder(folder, lambda base, revision: _resolve(base, device, revision))


def _hub_name(spec: str, device: Device, revision: str | None) -> DualEncoder | None:
    if not spec.startswith(_HUB_PREFIX):
        return None
    from mmsearch.encoders.open_clip import OpenClipEncoder

    return OpenClipEncoder.from_hub(
        spec.removeprefix(_HUB_PREFIX), device=device, revision=revision
    )


def _file(spec: str, device: Device, _revision: str | None) -> DualEncoder | None:
    # The first colon divides, as a path may have more; one letter before it is a drive.
    name, _, path = spec.partition(":")
    if not path or len(name) <= 1 or "/" in name or "\\" in name:
        return None
    from mmsearch.encoders.open_clip import OpenClipEncoder

    return OpenClipEncoder.from_file(name, Path(path), device=device)


def _tag(spec: str, device: Device, revision: str | None) -> DualEncoder | None:
    name, slash, tag = spec.rpartition("/")
    if not slash or Path(spec).is_file():
        return None
    for preset in PRESETS.values():
        if preset.spec == spec:
            # an unreachable hub is told before torch and open_clip take seconds to import
            hub.require(preset.repo, revision=revision)
    from mmsearch.encoders.open_clip import OpenClipEncoder

    # open_clip itself writes ViT-B/32 for ViT-B-32 in places
    return OpenClipEncoder.from_pretrained(
        name.replace("/", "-"), tag, device=device, revision=revision
    )


# Tried in this order; a new kind of encoder is one more function here.
_RESOLVERS: tuple[Resolver, ...] = (
    _auto,
    _embedded,
    _testing,
    _preset,
    _named,
    _hub_name,
    _file,
    _tag,
)


def _require_cpu(spec: str, device: Device) -> None:
    if device == "cuda":
        raise DeviceUnavailableError(
            f"The encoder {spec!r} runs on the CPU only; leave --device out, or choose another "
            "encoder with --model."
        )


def _unknown(spec: str) -> UnknownEncoderError:
    """Says what may have been meant by a spec of no known form."""
    if Path(spec).is_file():
        return UnknownEncoderError(
            f"{spec} is a file; name its architecture as well, for instance "
            f"`--model ViT-B-32-256:{spec}`."
        )
    near = get_close_matches(spec, [*named.BUILT_IN, *named.names()], n=3)
    if not near:
        from mmsearch.encoders import architecture

        near = architecture.similar(spec)
    perhaps = f" Did you mean {' or '.join(near)}?" if near else ""
    return UnknownEncoderError(
        f"No encoder is named {spec!r}.{perhaps} `mmsearch models` lists good choices and the "
        "forms that --model takes."
    )
