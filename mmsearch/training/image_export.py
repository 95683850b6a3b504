"""The image tower becomes a compact ONNX file that looks at each photo twice, in int8.

- Twice: at the photo as it is, and at its middle in a mirror. The mean of what is seen tells more
  than either alone (views at test time; Krizhevsky et al. 2012), and int8 pays for the second look.
- In int8, weights and activations (Jacob et al. 2018): ranges of activations are read off sample
  photos, each output channel's weights have a scale. Features are pooled in float32, and the
  classifier is stored as int8 but computes in float32.

Processors without VNNI instructions add the products of two activations and two weights in 16
bits, where large ones saturate. Scales are chosen so that no pair of weights can reach that: the
same photo then has the same embedding on every processor, to the bit.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from mmsearch.encoders.base import ImageTransform, Pixels
from mmsearch.encoders.text_onnx.graph import cast, quantise, replace_weight
from mmsearch.training.features import load_photos
from mmsearch.training.text_export import to_onnx

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

    from mmsearch.encoders.embedded.heads import Floats

OUTPUTS = ("features", "logits")

PAIR = 127
"""What the two weights of a pair may add up to: 255 * 128 fits in 16 bits, rounded up as well."""

_MARGIN = 1 / 11  # of each side, that the second look leaves out; chosen on Flickr8k dev
_SAMPLE = 128  # photos at most; with 64 or 256 recall on Flickr8k dev is the same
_LARGEST_BIAS = 2**30  # an int32 with room for what is added to it


class TwoLooks(nn.Module):
    """What an image tower sees of a photo and of its middle in a mirror, on average.

    Args:
        tower: maps pixels (n, side, side, 3) to features and logits.
        side: of the photos, pixels.
    """

    def __init__(self, tower: nn.Module, side: int) -> None:
        super().__init__()
        self.tower = tower
        self.side = side

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Looks at one photo.

        Args:
            pixels: uint8 RGB, shape (1, side, side, 3).

        Returns:
            Features, float32 of shape (1, features), and logits, float32 of shape (1, classes).
        """
        margin = round(self.side * _MARGIN)
        whole = pixels.float()
        middle = whole[:, margin : self.side - margin, margin : self.side - margin]
        enlarged = functional.interpolate(
            middle.permute(0, 3, 1, 2), size=(self.side, self.side), mode="bilinear"
        )
        both = torch.cat([whole, enlarged.flip(3).permute(0, 2, 3, 1)])
        features, logits = self.tower(both)
        return features.mean(dim=0, keepdim=True), logits.mean(dim=0, keepdim=True)


def export_image_tower(tower: nn.Module, photos: Pixels, path: Path) -> None:
    """Writes an image tower; the file takes one photo at a time.

    With all shapes known, padding is part of the convolutions, which saves a tenth of the time.

    Args:
        tower: maps pixels (n, side, side, 3) to features and logits.
        photos: they tell how large activations get, uint8 RGB, shape (n, side, side, 3).
        path: the ONNX file, with the outputs :data:`OUTPUTS`.
    """
    with tempfile.TemporaryDirectory() as folder:
        floats, stored = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        _write_float(TwoLooks(tower, photos.shape[1]).eval(), photos.shape[1], floats)
        _quantise_activations(floats, photos, stored)
        model = onnx.load(stored)
        store_convolutions(model, onnx.load(floats))
    _store_classifier(model)
    onnx.save(model, path)


def sample(photos: Sequence[Path], transform: ImageTransform) -> Pixels:
    """Some photos of many, evenly spread, for `export_image_tower`.

    Args:
        photos: files, at least one.
        transform: the image preprocessing.

    Raises:
        TrainingError: a photo cannot be read; the message names it.
    """
    return load_photos(photos[:: -(-len(photos) // _SAMPLE)], transform)


def _write_float(tower: nn.Module, side: int, path: Path) -> None:
    """A tower as ONNX in float32, its normalisations folded into its convolutions."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    pixels = torch.zeros((1, side, side, 3), dtype=torch.uint8)
    to_onnx(tower, {"pixels": pixels}, OUTPUTS, {}, {}, path)
    quant_pre_process(path, path, skip_symbolic_shape=True)


def _quantise_activations(floats: Path, photos: Pixels, stored: Path) -> None:
    """Puts the rounding of activations into the graph, after what they reach for some photos."""
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Sample(CalibrationDataReader):  # type: ignore[misc]  # it has no types
        def __init__(self) -> None:
            self._photos: Iterator[Pixels] = iter(np.split(photos, len(photos)))

        def get_next(self) -> dict[str, Pixels] | None:
            photo = next(self._photos, None)
            return None if photo is None else {"pixels": photo}

    quantize_static(
        floats,
        stored,
        Sample(),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv", "Add", "Clip"],
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def store_convolutions(model: ModelProto, floats: ModelProto) -> None:
    """Stores the weights of convolutions anew, in place, so that no pair can saturate.

    Args:
        model: with ``DequantizeLinear`` in front of each weight and bias.
        floats: the same network with float32 weights.
    """
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    exact = {tensor.name: tensor for tensor in floats.graph.initializer}
    maker = {output: node for node in model.graph.node for output in node.output}
    theirs = [node for node in floats.graph.node if node.op_type == "Conv"]
    ours = [node for node in model.graph.node if node.op_type == "Conv"]
    for node, other in zip(ours, theirs, strict=True):
        weight, bias = (onnx.numpy_helper.to_array(exact[name]) for name in other.input[1:])
        seen, weights, biases = (maker[name].input for name in node.input)
        step = float(onnx.numpy_helper.to_array(stored[seen[1]]))
        scale = weight_scales(weight, _attribute(node, "group", 1) > 1)
        scale = np.maximum(scale, np.abs(bias) / (step * _LARGEST_BIAS)).astype(np.float32)
        arrays = {
            weights[0]: np.rint(weight / scale[:, None, None, None]).astype(np.int8),
            weights[1]: scale,
            biases[0]: np.rint(bias / (step * scale)).astype(np.int32),
            biases[1]: (step * scale).astype(np.float32),
        }
        for name, array in arrays.items():
            stored[name].CopyFrom(onnx.numpy_helper.from_array(array, name))


def weight_scales(weight: Floats, grouped: bool) -> Floats:
    """What int8 weights are multiplied with to be what they stand for, for each output channel.

    Args:
        weight: of a convolution, float32, shape (outputs, inputs, height, width).
        grouped: whether it is a depthwise one, whose products are never added in pairs.

    Returns:
        float32, shape (outputs,). Weights divided by it lie in -127..127, and unless ``grouped``
        so do the sums of two that a product of matrices takes together: channels of inputs
        follow each other there.
    """
    rows = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)
    largest = np.abs(rows).max(axis=1)
    if not grouped:
        even = np.pad(rows, ((0, 0), (0, rows.shape[1] % 2)))
        pairs = np.abs(even[:, ::2] + even[:, 1::2]).max(axis=1)
        largest = np.maximum(largest, pairs)
    scales: Floats = np.maximum(largest / PAIR, np.finfo(np.float32).tiny).astype(np.float32)
    return scales


def _store_classifier(model: ModelProto) -> None:
    """Stores the classifier's matrix as int8 with a scale a class, in place."""
    (product,) = (node for node in model.graph.node if node.op_type == "Gemm")
    (tensor,) = (one for one in model.graph.initializer if one.name == product.input[1])
    name = tensor.name
    stored, scale = quantise(onnx.numpy_helper.to_array(tensor), axis=1)
    arrays: dict[str, NDArray[Any]] = {f"{name}.i8": stored, f"{name}.scale": scale}
    replace_weight(model, tensor, arrays)
    multiply = onnx.helper.make_node("Mul", [f"{name}.cast", f"{name}.scale"], [name])
    for node in (multiply, cast(f"{name}.i8", f"{name}.cast")):
        model.graph.node.insert(0, node)


def _attribute(node: NodeProto, name: str, otherwise: int) -> int:
    return next((found.i for found in node.attribute if found.name == name), otherwise)
