"""``itm``: BLIP or BLIP-2 say whether a text and a picture belong together.

Their text encoder attends to the picture's patches, and a classifier on top says yes or no (image-
text matching; Li et al., BLIP, arXiv:2201.12086, and BLIP-2, arXiv:2301.12597). The score is the
log-odds of yes. They run through transformers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.encoders import hub
from mmsearch.encoders.base import Device, ImageTransform, Pixels
from mmsearch.encoders.device import Placement, place
from mmsearch.errors import UnknownEncoderError, WeightsError
from mmsearch.paths import absolute, in_home
from mmsearch.search.rerank.base import Scores

if TYPE_CHECKING:
    import torch

_HUB_PREFIX = "hf-hub:"
_CONFIG, _PICTURES = "config.json", "preprocessor_config.json"
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_VOCABULARIES = ("tokenizer.json", "vocab.txt")
_EXTRAS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
_BICUBIC = 3  # Pillow's number, which the files of transformers hold


class ImageTextMatching:
    """A `PairModel` of BLIP or BLIP-2.

    Args:
        folder: holds ``config.json``, ``preprocessor_config.json``, a tokenizer, and weights as
            safetensors.
        placement: where it runs.

    Raises:
        WeightsError: it does not, or they are of another model.
    """

    def __init__(self, folder: Path, placement: Placement) -> None:
        self._placement = placement
        try:
            config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
            pictures = json.loads((folder / _PICTURES).read_text(encoding="utf-8"))
            self._transform = _transform(pictures, config)
            self._mean, self._std = pictures["image_mean"], pictures["image_std"]
            kind = config["model_type"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WeightsError(
                f"The model in {folder} cannot be read ({error!r}): it must hold {_CONFIG}, "
                f"{_PICTURES}, a tokenizer and weights as safetensors."
            ) from error
        if kind not in ("blip", "blip-2"):
            raise WeightsError(
                f"The model in {folder} is {kind}, not BLIP or BLIP-2, which the reranker 'itm' "
                "needs; name one that does image-text retrieval."
            )
        self._model = _load_model(folder, kind, placement)
        self._tokenizer = _load_tokenizer(folder)
        self._see = _BlipSight(self._model) if kind == "blip" else _Blip2Sight(self._model)

    @classmethod
    def load(cls, spec: str, *, device: Device = "auto") -> ImageTextMatching:
        """Loads a model of the hub, ``hf-hub:OWNER/NAME``, or a local folder.

        Raises:
            UnknownEncoderError: there is no such folder.
            HubUnreachableError: it is not cached, and the hub does not answer.
            WeightsError: it cannot be had or loaded.
        """
        if spec.startswith(_HUB_PREFIX):
            return cls(_fetch(spec.removeprefix(_HUB_PREFIX)), place(device))
        folder = absolute(in_home(spec))
        if not folder.is_dir():
            raise UnknownEncoderError(
                f"There is no folder {folder}; use `itm:hf-hub:OWNER/NAME` or `itm:FOLDER`."
            )
        return cls(folder, place(device))

    @property
    def transform(self) -> ImageTransform:
        """Makes the pixels that ``see`` takes."""
        return self._transform

    def see(self, pixels: Pixels) -> torch.Tensor:
        """The states of the picture's patches; see `PairModel`."""
        import torch

        device, dtype = self._placement.device, self._placement.dtype
        mean, std = (torch.tensor(c, device=device).view(3, 1, 1) for c in (self._mean, self._std))
        images = torch.from_numpy(np.ascontiguousarray(pixels)).to(device).permute(0, 3, 1, 2)
        images = ((images.float() / 255 - mean) / std).to(dtype)
        states: torch.Tensor = self._model.vision_model(pixel_values=images).last_hidden_state
        return states

    def match(self, seen: torch.Tensor, texts: Sequence[str]) -> Scores:
        """Log-odds that they belong together; see `PairModel`."""
        words = [text.encode("utf-8", "replace").decode() for text in texts]
        tokens = self._tokenizer(
            words,
            padding=True,
            truncation=True,
            max_length=self._see.longest,
            return_tensors="pt",
        ).to(self._placement.device)
        logits = self._see(seen, tokens["input_ids"], tokens["attention_mask"]).double()
        odds: Scores = (logits[:, 1] - logits[:, 0]).cpu().numpy()
        return odds


class _BlipSight:
    """BLIP's text encoder with its eyes on a picture, and the classifier."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.longest = int(model.config.text_config.max_position_embeddings)

    def __call__(self, seen: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Logits of no and yes, shape (n, 2)."""
        states = self._model.text_encoder(
            input_ids=ids,
            attention_mask=mask,
            encoder_hidden_states=seen,
            encoder_attention_mask=_all(seen),
        ).last_hidden_state
        logits: torch.Tensor = self._model.itm_head(states[:, 0])
        return logits


class _Blip2Sight:
    """BLIP-2's querying transformer on text and picture, and the classifier on its queries."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.longest = int(model.config.qformer_config.max_position_embeddings)

    def __call__(self, seen: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Logits of no and yes, shape (n, 2)."""
        import torch

        model = self._model
        queries = model.query_tokens.expand(len(seen), -1, -1)
        states = model.qformer(
            query_embeds=model.embeddings(input_ids=ids, query_embeds=queries),
            query_length=queries.shape[1],
            attention_mask=torch.cat([_all(queries), mask], dim=1),
            encoder_hidden_states=seen.to(queries.dtype),  # some parts stay in float32
            encoder_attention_mask=_all(seen),
        ).last_hidden_state
        states = states[:, : queries.shape[1]].to(model.itm_head.weight.dtype)
        logits: torch.Tensor = model.itm_head(states).mean(dim=1)
        return logits


def _all(tokens: torch.Tensor) -> torch.Tensor:
    """A mask that hides none of the tokens, int64, shape (n, tokens)."""
    import torch

    return torch.ones(tokens.shape[:2], dtype=torch.long, device=tokens.device)


def _transform(pictures: dict[str, Any], config: dict[str, Any]) -> ImageTransform:
    size = pictures.get("size") or config["vision_config"]["image_size"]
    size = {"height": size, "width": size} if isinstance(size, int) else size
    bicubic = pictures.get("resample", _BICUBIC) == _BICUBIC
    return ImageTransform(
        int(size["height"]), int(size["width"]), "squash", "bicubic" if bicubic else "bilinear"
    )


def _load_model(folder: Path, kind: str, placement: Placement) -> Any:
    from transformers import Blip2ForImageTextRetrieval, BlipForImageTextRetrieval

    family = BlipForImageTextRetrieval if kind == "blip" else Blip2ForImageTextRetrieval
    try:
        with _without_progress():
            model, report = family.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
                dtype=placement.dtype,
            )
    except Exception as error:  # whatever transformers and safetensors raise
        raise WeightsError(f"The model in {folder} cannot be loaded: {error}") from error
    missing = sorted(report["missing_keys"])
    if missing:  # transformers would go on with random ones
        raise WeightsError(
            f"The weights in {folder} are not those of a model for image-text retrieval: "
            f"{missing[0]} and {len(missing) - 1} more are missing."
        )
    return model.to(placement.device).eval().requires_grad_(requires_grad=False)


@contextmanager
def _without_progress() -> Iterator[None]:
    """Loading a file takes seconds; transformers would draw a bar for it."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _load_tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # whatever the many tokenizers raise
        raise WeightsError(f"The tokenizer in {folder} cannot be loaded: {error}") from error


def _fetch(repo: str) -> Path:
    """The folder of the local cache with a model's files, downloaded where they are not there."""
    config = hub.fetch(repo, _CONFIG)
    commit = config.revision
    if hub.cached_weights(repo, names=_WEIGHTS) is None:  # they come last
        hub.fetch(repo, _PICTURES, commit)
        for name in _EXTRAS:
            hub.fetch_first(repo, (name,), commit)
        if hub.fetch_first(repo, _VOCABULARIES, commit) is None:
            raise WeightsError(f"{repo} on the hub holds no tokenizer.")
    weights = hub.fetch_weights(repo, commit, names=_WEIGHTS)
    if weights.path.suffix == ".json":
        parts = json.loads(weights.path.read_text(encoding="utf-8"))["weight_map"]
        for name in sorted(set(parts.values())):
            hub.fetch(repo, name, commit)
    return config.path.parent
