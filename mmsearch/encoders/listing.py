"""Lists the encoders at hand, for `mmsearch models`; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmsearch.encoders import hub, named, presets
from mmsearch.encoders.presets import PRESETS


@dataclass(frozen=True, slots=True)
class EncoderListing:
    """One encoder that ``--model`` takes.

    Attributes:
        name: what to write after ``--model``.
        spec: the encoder that this stands for.
        licence: SPDX identifier of the weights' licence; None where it is not known here.
        download_bytes: what fetching it transfers; 0 where all of it is here; None where it is
            not known here.
        dim: length of an embedding; None where it is not known here.
        recall: published COCO text-to-image R@1 in percent, zero-shot; None where there is none.
        source: where ``recall`` was published, or where to read about the encoder.
        cached: whether it loads without a network.
        note: what it is good for, in a few words.
    """

    name: str
    spec: str
    licence: str | None
    download_bytes: int | None
    dim: int | None
    recall: float | None
    source: str | None
    cached: bool
    note: str


def available() -> list[EncoderListing]:
    """Lists ``embedded``, the presets, the user's own, and other models in the local hub cache."""
    known = {preset.repo for preset in PRESETS.values()}
    others = [
        EncoderListing(
            name=f"hf-hub:{repo}",
            spec=f"hf-hub:{repo}",
            licence=None,
            download_bytes=None,
            dim=None,
            recall=None,
            source=None,
            cached=True,
            note="in the local cache",
        )
        for repo in hub.cached_repositories("open_clip_config.json")
        if repo not in known and hub.cached_weights(repo) is not None
    ]
    return [_embedded(), *map(_of, PRESETS.values()), *_stored(), *others]


def _of(preset: presets.Preset) -> EncoderListing:
    return EncoderListing(
        name=preset.name,
        spec=preset.spec,
        licence=preset.licence,
        download_bytes=preset.download_bytes,
        dim=preset.dim,
        recall=preset.recall,
        source=preset.source,
        cached=presets.is_cached(preset),
        note=preset.note,
    )


def _stored() -> list[EncoderListing]:
    listings = []
    for stored in named.summaries():
        is_here = stored.lowest is None or _is_here(stored.lowest)
        listings.append(
            EncoderListing(
                name=stored.name,
                spec=stored.base,
                licence=None,
                download_bytes=0 if is_here else None,
                dim=stored.dim,
                recall=None,
                source=str(named.folder_of(stored.name) / named.CARD),
                cached=is_here,
                note=f"made from {stored.base} by `mmsearch train`",
            )
        )
    return listings


def _is_here(base: named.BaseReference) -> bool:
    """Whether an encoder that heads were trained on loads without a network."""
    form, _, path = base.spec.partition(":")
    if form in ("embedded", "testing"):
        return not path or Path(path).is_dir()
    if path and form != "hf-hub":
        return Path(path).is_file()
    return hub.holds(base.revision)


def _embedded() -> EncoderListing:
    from mmsearch.encoders.embedded import EmbeddedEncoder

    return EncoderListing(
        name="embedded",
        spec="embedded",
        licence="Apache-2.0",
        download_bytes=0,
        dim=EmbeddedEncoder().dim,
        recall=None,
        source="docs/models/embedded.md",
        cached=True,
        note="ships with mmsearch; no network, no torch; English",
    )
