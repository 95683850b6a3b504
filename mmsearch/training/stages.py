"""The last stages of the image tower, in a shape that a processor trains quickly.

Only the last stages are trained; what comes before them is computed once for each photo and kept.
A stage works on a few positions (14 x 14 or 7 x 7), so that every convolution is one product of
matrices: a pointwise one of weights and channels, and a depthwise one, for each channel, of its
positions and a matrix that holds its kernel once for each position. On two cores in bfloat16 this
takes half the time of the same convolutions.

Batch normalisation keeps the statistics of ImageNet, folded into the convolutions before it.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmsearch.training.towers import ImageTower, pooled

STAGES = 7
"""Of EfficientNet."""

SHALLOWEST = 2
"""At least so many stages, since the features take the means of the one before them as well."""

DEEPEST = 3
"""At most so many stages: with a fourth, positions would be too many for this shape."""


class FirstStages(nn.Module):
    """What stays as it is.

    Args:
        tower: the image tower, whose weights are shared.
        depth: how many stages are left to `LastStages`, `SHALLOWEST` to `DEEPEST`.
    """

    def __init__(self, tower: ImageTower, depth: int) -> None:
        super().__init__()
        network = tower.network
        self.convolution: nn.Conv2d = network.conv_stem
        self.norm: nn.Module = network.bn1
        self.stages: nn.Sequential = network.blocks[: STAGES - depth]

    def forward(self, pixels: Tensor) -> Tensor:
        """What the last stages take.

        Args:
            pixels: uint8 RGB, shape (n, height, width, 3).

        Returns:
            The dtype of the weights, shape (n, channels, positions).
        """
        hidden = (pixels.permute(0, 3, 1, 2).float() - 127.5) / 127.5
        hidden = hidden.to(self.convolution.weight.dtype)
        hidden = self.convolution(hidden.contiguous(memory_format=torch.channels_last))
        staged: Tensor = self.stages(self.norm(hidden))
        return staged.flatten(2)


class LastStages(nn.Module):
    """What is trained.

    Args:
        tower: the image tower, whose weights are copied.
        depth: how many stages, `SHALLOWEST` to `DEEPEST`.
        side: of the photos, pixels.
        drop_path: the share of photos for which a residual block is left out in training
            (stochastic depth; Huang et al. 2016).
    """

    def __init__(self, tower: ImageTower, depth: int, side: int, drop_path: float) -> None:
        super().__init__()
        network = tower.network
        first = STAGES - depth
        size = math.ceil(side / _STRIDES[first])
        stages: list[nn.Sequential] = []
        for stage in network.blocks[first:]:
            blocks: list[_Block] = []
            for block in stage:
                blocks.append(_Block(block, size, drop_path))
                size = blocks[-1].depthwise.side
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.last = _Pointwise(network.conv_head, network.bn2)
        self.classifier = copy.deepcopy(network.classifier)

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Features and class logits of photos, as `ImageTower` gives them.

        Args:
            hidden: from `FirstStages`, but with the channels first, shape (channels, n, positions).

        Returns:
            Features, float32 of shape (n, features), and logits, float32 of shape (n, 1000).
        """
        means = [_mean(hidden)]
        for stage in self.stages:
            hidden = stage(hidden)
            means.append(_mean(hidden))
        last = functional.relu6(self.last(hidden)).float().transpose(0, 1)
        return pooled(last, means), self.classifier(last.mean(dim=2)).float()

    def write_to(self, tower: ImageTower) -> None:
        """Copies the trained weights back; batch normalisation becomes a plain bias there."""
        network = tower.network
        first = STAGES - len(self.stages)
        own = [block for block in self.modules() if isinstance(block, _Block)]
        theirs = [block for stage in network.blocks[first:] for block in stage]
        for block, their in zip(own, theirs, strict=True):
            block.write_to(their)
        self.last.write_to(network.conv_head, network.bn2)
        network.classifier.load_state_dict(self.classifier.state_dict())


_STRIDES = (2, 2, 4, 8, 16, 16, 32)  # of what each stage takes, in pixels


class _Block(nn.Module):
    """An inverted residual block (Sandler et al. 2018)."""

    def __init__(self, block: Any, side: int, drop_path: float) -> None:
        super().__init__()
        self.expand = _Pointwise(block.conv_pw, block.bn1)
        self.depthwise = _Depthwise(block.conv_dw, block.bn2, side)
        self.project = _Pointwise(block.conv_pwl, block.bn3)
        self.residual = bool(block.has_skip)
        self.drop_path = drop_path

    def forward(self, hidden: Tensor) -> Tensor:
        inner = functional.relu6(self.depthwise(functional.relu6(self.expand(hidden))))
        outer: Tensor = self.project(inner)
        if not self.residual:
            return outer
        if self.training and self.drop_path:
            kept = torch.rand(hidden.shape[1], device=hidden.device) >= self.drop_path
            outer = outer * (kept.to(outer.dtype) / (1 - self.drop_path))[None, :, None]
        return hidden + outer

    def write_to(self, block: Any) -> None:
        self.expand.write_to(block.conv_pw, block.bn1)
        self.depthwise.write_to(block.conv_dw, block.bn2)
        self.project.write_to(block.conv_pwl, block.bn3)


class _Pointwise(nn.Module):
    """A 1 x 1 convolution with its batch normalisation."""

    def __init__(self, convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        weight, bias = _folded(convolution, norm)
        self.weight = nn.Parameter(weight.flatten(1))
        self.bias = nn.Parameter(bias)

    def forward(self, hidden: Tensor) -> Tensor:
        _, photos, positions = hidden.shape
        product = torch.addmm(self.bias[:, None], self.weight, hidden.flatten(1))
        return product.view(-1, photos, positions)

    def write_to(self, convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
        _unfold(self.weight, self.bias, convolution, norm)


class _Depthwise(nn.Module):
    """A depthwise convolution with its batch normalisation, padded as TensorFlow does."""

    placement: Tensor

    def __init__(self, convolution: nn.Conv2d, norm: nn.BatchNorm2d, side: int) -> None:
        super().__init__()
        weight, bias = _folded(convolution, norm)
        self.kernel = nn.Parameter(weight.flatten(1))
        self.bias = nn.Parameter(bias)
        placement = _placement(side, convolution.kernel_size[0], convolution.stride[0])
        self.side = math.isqrt(placement.shape[2])
        self.positions = placement.shape[1:]
        self.register_buffer("placement", placement.flatten(1), persistent=False)

    def forward(self, hidden: Tensor) -> Tensor:
        matrices = (self.kernel @ self.placement).view(-1, *self.positions)
        return torch.baddbmm(self.bias[:, None, None], hidden, matrices)

    def write_to(self, convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
        _unfold(self.kernel, self.bias, convolution, norm)


def _placement(side: int, kernel: int, stride: int) -> Tensor:
    """Where each number of a kernel stands in the matrix of a convolution.

    Returns:
        float32 of zeros and ones, shape (kernel * kernel, side * side, outputs * outputs).
    """
    outputs = math.ceil(side / stride)
    before = max((outputs - 1) * stride + kernel - side, 0) // 2
    line = torch.zeros(kernel, side, outputs)
    for output in range(outputs):
        for offset in range(kernel):
            position = output * stride + offset - before
            if 0 <= position < side:
                line[offset, position, output] = 1
    square = torch.einsum("aio,bjp->abijop", line, line)
    return square.reshape(kernel * kernel, side * side, outputs * outputs)


def _folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution that does its normalisation as well."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        weight = convolution.weight * scale[:, None, None, None]
        return weight, norm.bias - norm.running_mean * scale


def _unfold(weight: Tensor, bias: Tensor, convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    """Writes weight and bias back; the normalisation then only adds the bias."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        convolution.weight.copy_(weight.view_as(convolution.weight))
        norm.weight.fill_(1)
        norm.running_var.fill_(1 - norm.eps)
        norm.running_mean.zero_()
        norm.bias.copy_(bias)


def _mean(hidden: Tensor) -> Tensor:
    """The mean over the positions, float32, shape (n, channels)."""
    return hidden.float().mean(dim=2).T
