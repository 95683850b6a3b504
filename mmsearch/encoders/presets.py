"""Trained encoders worth choosing, each under a short name.

What a preset states was published by others; ``source`` says where.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmsearch.encoders import hub, tokenizer


@dataclass(frozen=True, slots=True)
class Preset:
    """One good choice of an open_clip encoder.

    Attributes:
        name: what ``--model`` takes.
        spec: the encoder it stands for, ``ARCH/TAG``.
        repo: the repository on the Hugging Face hub that holds its weights.
        tokenizer: whether that repository also holds the tokenizer that it takes.
        licence: SPDX identifier of the weights' licence.
        download_bytes: size of the weights and, where one is fetched, the tokenizer.
        dim: length of an embedding.
        recall: published COCO text-to-image R@1 in percent, zero-shot, 5,000 test photos.
        source: where ``recall`` was published.
        note: what it is good for, in a few words.
    """

    name: str
    spec: str
    repo: str
    tokenizer: bool
    licence: str
    download_bytes: int
    dim: int
    recall: float
    source: str
    note: str

    @property
    def architecture(self) -> str:
        """The open_clip architecture, the first part of ``spec``."""
        return self.spec.partition("/")[0]

    @property
    def tag(self) -> str:
        """The open_clip pretrained tag, the second part of ``spec``."""
        return self.spec.partition("/")[2]


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            name="fast",
            spec="ViT-B-32-256/datacomp_s34b_b86k",
            repo="laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K",
            tokenizer=False,
            licence="MIT",
            download_bytes=605_000_000,
            dim=512,
            recall=39.9,
            source="open_clip, docs/openclip_retrieval_results.csv",
            note="quickest on a CPU; English",
        ),
        Preset(
            name="balanced",
            spec="ViT-B-16-SigLIP2-256/webli",
            repo="timm/ViT-B-16-SigLIP2-256",
            tokenizer=True,
            licence="Apache-2.0",
            download_bytes=1_535_000_000,
            dim=768,
            recall=53.2,
            source="SigLIP 2, arXiv:2502.14786, table 1",
            note="the default; many languages",
        ),
        Preset(
            name="best",
            spec="PE-Core-L-14-336/meta",
            repo="timm/PE-Core-L-14-336",
            tokenizer=False,
            licence="Apache-2.0",
            download_bytes=2_685_000_000,
            dim=1024,
            recall=57.1,
            source="Perception Encoder, arXiv:2504.13181",
            note="wants a GPU; English",
        ),
    )
}


def fetch(preset: Preset) -> None:
    """Makes sure that all files of a preset are in the local cache; imports no torch.

    Raises:
        HubUnreachableError: they are not, and the hub does not answer or breaks off.
        WeightsError: the hub does not give them out.
    """
    weights = hub.fetch_weights(preset.repo)
    if preset.tokenizer:
        tokenizer.find(preset.repo, revision=weights.revision)


def is_cached(preset: Preset) -> bool:
    """Whether all files of a preset are in the local cache; never asks the network."""
    weights = hub.cached_weights(preset.repo)
    if weights is None or not preset.tokenizer:
        return weights is not None
    return tokenizer.cached(preset.repo, weights.revision) is not None
