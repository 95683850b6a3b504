"""Dual encoders of open_clip: any architecture, with weights from the hub or a local file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.encoders import architecture as architectures
from mmsearch.encoders import checkpoint, hub, tokenizer
from mmsearch.encoders.architecture import Architecture
from mmsearch.encoders.base import (
    Device,
    Embeddings,
    Encoded,
    EncoderIdentity,
    ImageTransform,
    Pixels,
    Regions,
)
from mmsearch.encoders.cuda import copied_ahead
from mmsearch.encoders.device import Placement, place
from mmsearch.encoders.short_texts import encode_texts
from mmsearch.settings import load_settings

if TYPE_CHECKING:
    import torch

    from mmsearch.encoders.adapted import AdaptedEncoder
    from mmsearch.encoders.engines.streams import Streams

_BATCH_ON_CPU = 32
_BATCH_ON_CUDA = 128
_BATCHES_AHEAD = 4
_FEW_IMAGES = 64


class OpenClipEncoder:
    """A dual encoder of open_clip with the model's own preprocessing and tokenizer.

    Make one with :meth:`from_pretrained`, :meth:`from_hub` or :meth:`from_file`. Each raises

        UnknownEncoderError: open_clip has no such architecture or tag.
        HubUnreachableError: weights or tokenizer are not cached, and the hub does not answer.
        WeightsError: weights or tokenizer cannot be had or loaded.
        DeviceUnavailableError: the device is not there.

    Weights are never random: where there are none, that is an error.

    Source: Cherti et al., Reproducible scaling laws for contrastive language-image learning,
    arXiv:2212.07143, and https://github.com/mlfoundations/open_clip.
    """

    def __init__(
        self,
        architecture: Architecture,
        weights: Path,
        tokenizer_folder: Path | None,
        *,
        spec: str,
        name: str,
        revision: str,
        placement: Placement,
    ) -> None:
        self._identity = EncoderIdentity(spec, name, revision, architecture.transform)
        self._architecture = architecture
        self._placement = placement
        self._tokenize = tokenizer.load(architecture.text_config, tokenizer_folder)
        self._model: Any = _load_model(architecture, weights, placement)
        self._streams: Streams | None = None

    @classmethod
    def from_pretrained(
        cls, name: str, tag: str, *, device: Device = "auto", revision: str | None = None
    ) -> OpenClipEncoder:
        """Loads an architecture with the weights of one of its pretrained tags.

        Args:
            name: the architecture, for instance ``"ViT-B-32-256"``.
            tag: the tag, for instance ``"datacomp_s34b_b86k"``.
            device: where to run it.
            revision: commit hash of the weights' repository on the hub; None is what is cached,
                else the newest.
        """
        placement = place(device)
        architecture, source = architectures.of_tag(name, tag)
        weights = hub.fetch_weights(source.repo, revision, names=source.names)
        return cls._of_hub(f"{name}/{tag}", architecture, source.repo, weights, placement)

    @classmethod
    def from_hub(
        cls, repo: str, *, device: Device = "auto", revision: str | None = None
    ) -> OpenClipEncoder:
        """Loads a model that brings its own configuration, ``open_clip_config.json``.

        Args:
            repo: its repository on the hub, ``owner/name``.
            device: where to run it.
            revision: as in :meth:`from_pretrained`.
        """
        config = hub.fetch(repo, "open_clip_config.json", revision)
        placement = place(device)
        architecture = architectures.of_file(repo, config.path)
        weights = hub.fetch_weights(repo, config.revision)
        return cls._of_hub(f"hf-hub:{repo}", architecture, repo, weights, placement)

    @classmethod
    def from_file(cls, name: str, path: Path, *, device: Device = "auto") -> OpenClipEncoder:
        """Loads an architecture with the weights of a local checkpoint.

        Its identity is the checkpoint's content, so that the file may be moved. A tokenizer that
        is not CLIP's is taken from files beside the checkpoint, else from the hub.

        Args:
            name: the architecture.
            path: safetensors, or a checkpoint of torch; see :func:`checkpoint.read`.
            device: where to run it.
        """
        placement = place(device)
        architecture = architectures.of_name(name)
        path = Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 - keeps symbolic links
        revision = checkpoint.digest(path)
        needed = architecture.text_config.get("hf_tokenizer_name")
        folder = tokenizer.find(needed, beside=path.parent) if needed else None
        return cls(
            architecture,
            path,
            folder,
            spec=f"{name}:{path}",
            name=name,
            revision=revision,
            placement=placement,
        )

    @classmethod
    def _of_hub(
        cls,
        spec: str,
        architecture: Architecture,
        repo: str,
        weights: hub.HubFile,
        placement: Placement,
    ) -> OpenClipEncoder:
        """An architecture with weights of a repository, which may hold the tokenizer too."""
        needed = architecture.text_config.get("hf_tokenizer_name")
        own = weights.revision if needed == repo else None
        return cls(
            architecture,
            weights.path,
            tokenizer.find(needed, revision=own) if needed else None,
            spec=spec,
            name=spec,
            revision=weights.revision,
            placement=placement,
        )

    @property
    def identity(self) -> EncoderIdentity:
        """Which encoder this is."""
        return self._identity

    @property
    def id(self) -> str:
        """The same as ``identity.id``."""
        return self._identity.id

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return self._architecture.dim

    @property
    def transform(self) -> ImageTransform:
        """Makes the pixels that ``encode_images`` takes."""
        return self._architecture.transform

    @property
    def batch_size(self) -> int:
        """How many images to encode at once for the best rate."""
        streams = self._streams  # another thread may give them back
        if streams is not None:
            return streams.batch_size
        # On a GPU several at once, of which one is copied while another is computed.
        return _BATCHES_AHEAD * _BATCH_ON_CUDA if self._is_on_cuda else _BATCH_ON_CPU

    @property
    def _is_on_cuda(self) -> bool:
        return self._placement.device.type == "cuda"

    def expect_images(self, count: int, cores: int) -> None:
        """Gets the fastest engine for so many images going; see `mmsearch.encoders.engines`.

        Args:
            count: of images. A few are not worth any preparation; what was prepared is given
                back then, for it holds the tower's weights a second time.
            cores: how many processor cores to use from now on.

        Raises:
            SettingsError: the setting ``engine`` names none that runs here.
        """
        self._streams = None  # not closed: another thread may be using them, and ends them then
        if self._is_on_cuda or count < _FEW_IMAGES:
            return
        from mmsearch.encoders.engines.base import Tower
        from mmsearch.encoders.engines.choose import choose

        transform, settings = self.transform, load_settings()
        blank = np.zeros((1, transform.height, transform.width, 3), dtype=np.uint8)
        tower = Tower(
            self._model.visual,
            self._identity.name,
            self._identity.revision,
            self.prepare(blank),
            cores,
            settings.cache,
        )
        self._streams = choose(tower, count, wanted=settings.engine)

    def encode_images(self, pixels: Pixels) -> Embeddings:
        """Embeds images.

        Args:
            pixels: uint8 RGB, shape (n, height, width, 3), as ``transform`` makes them; n may
                be 0.

        Returns:
            float32, shape (n, dim), rows of unit length.
        """
        import torch

        run = self._streams or self._model.encode_image
        size = _BATCH_ON_CUDA if self._is_on_cuda else self.batch_size
        batches = (pixels[start : start + size] for start in range(0, len(pixels), size))
        with torch.inference_mode():
            if self._is_on_cuda:
                moved = copied_ahead(batches, self._placement.device)
                return self._collect(run(self._normalise(batch)) for batch in moved)
            return self._collect(run(self.prepare(batch)) for batch in batches)

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Embeds texts; what is longer than the text tower takes is cut.

        Returns:
            float32, shape (n, dim), rows of unit length.
        """
        import torch

        size = self.batch_size  # once: images that are encoded meanwhile may change it
        batches = (texts[start : start + size] for start in range(0, len(texts), size))
        with torch.inference_mode():
            return self._collect(
                encode_texts(self._model, self.tokenize(batch)) for batch in batches
            )

    def encode_regions(self, pixels: Pixels) -> Regions | None:
        """Embeds the patches of one image; see `mmsearch.encoders.patches`.

        Args:
            pixels: as ``encode_images`` takes them, one image.

        Returns:
            The regions; None where the image tower has no patches, or mixes them in another way.
        """
        import torch

        from mmsearch.encoders.patches import patch_embeddings

        with torch.inference_mode():
            found = patch_embeddings(self._model.visual, self.prepare(pixels))
            if found is None:
                return None
            rows, columns, _ = found.shape
            embeddings = self._collect([found.flatten(0, 1)])
        return Regions(rows, columns, Encoded(embeddings, embeddings))

    @property
    def model(self) -> Any:
        """open_clip's model, in evaluation mode, for what looks inside."""
        return self._model

    @property
    def mean(self) -> tuple[float, float, float]:
        """The colour that pixels of value 0 stand for after `prepare`: RGB in 0..1."""
        return self._architecture.mean

    @property
    def tokenizer(self) -> tokenizer.Tokenizer:
        """The model's tokenizer."""
        return self._tokenize

    @property
    def text_config(self) -> dict[str, Any]:
        """The part of open_clip's configuration that describes the text tower."""
        return self._architecture.text_config

    def export_texts(self, folder: Path, adapted: AdaptedEncoder | None = None) -> None:
        """Writes the text tower for queries without torch: see `mmsearch.encoders.text_onnx`."""
        from mmsearch.encoders.text_onnx.export import export

        export(self, folder, adapted)

    def tokenize(self, texts: Sequence[str]) -> torch.Tensor:
        """The tokens that the model takes: int64, shape (n, context length), on its device."""
        return self._tokenize(texts).to(self._placement.device)

    def fits(self, text: str) -> bool:
        """Whether the text tower takes a text whole; what is longer is cut when it is encoded."""
        return self._tokenize.fits(text)

    def prepare(self, pixels: Pixels) -> torch.Tensor:
        """What the model takes of pixels, normalised, on its device.

        Args:
            pixels: uint8 RGB, shape (n, height, width, 3), as ``transform`` makes them.

        Returns:
            in the model's number format, shape (n, 3, height, width).
        """
        import torch

        images = torch.from_numpy(np.require(pixels, requirements=("C", "W")))
        return self._normalise(images.to(self._placement.device))

    def _normalise(self, images: torch.Tensor) -> torch.Tensor:
        """The same of pixels that are on the device, uint8, shape (n, height, width, 3)."""
        import torch

        # float32 until the model's own format, as open_clip does it
        mean, std = (
            torch.tensor(channels, device=images.device).view(1, 3, 1, 1)
            for channels in (self._architecture.mean, self._architecture.std)
        )
        images = images.permute(0, 3, 1, 2).to(torch.float32).div_(255)
        images = images.sub_(mean).div_(std).to(self._placement.dtype)
        # Pixels come with their channels last, and so convolutions on tensor cores want them.
        return images if self._is_on_cuda else images.contiguous()

    def _collect(self, batches: Iterable[torch.Tensor]) -> Embeddings:
        import torch

        parts = [torch.nn.functional.normalize(batch.float(), dim=-1) for batch in batches]
        if not parts:
            return np.empty((0, self.dim), dtype=np.float32)
        # Fetched at once: each time, a GPU would have to finish first.
        embeddings: Embeddings = torch.cat(parts).cpu().numpy()
        return embeddings


def _load_model(architecture: Architecture, weights: Path, placement: Placement) -> Any:
    model = architectures.build(architecture)
    checkpoint.restore(model, weights, architecture)
    model.to(device=placement.device, dtype=placement.dtype)
    if placement.device.type == "cuda":
        import torch

        model.visual.to(memory_format=torch.channels_last)
    return model
