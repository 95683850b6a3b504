"""Heads as ONNX models, for programs that run the base encoder elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.encoders.adapted import HeadInput, Heads, ResidualHead
from mmsearch.encoders.base import Embeddings, Encoded, Features
from mmsearch.encoders.embedded.heads import ADDED, BIAS_LIMIT, BIAS_SCALE, Normalisation
from mmsearch.errors import TrainingError
from mmsearch.onnx_runtime import onnx_runtime

OPSET = 17
_IR = 8  # the oldest that goes with the opset
_TOLERANCE = 1e-4


def write_onnx_heads(folder: Path, heads: Heads, images: Encoded, texts: Encoded) -> None:
    """Writes ``image_head.onnx`` and ``text_head.onnx``, each where there is something to do.

    A model takes ``embeddings``, float32 of shape (n, dim), as the base makes them, and where
    its head needs them ``features``, float32 of shape (n, features); its output ``adapted`` is
    float32 of shape (n, dim), or four dimensions more where it is normalised, rows of unit length.

    Args:
        folder: that gets the files.
        heads: to write.
        images: some photos that the base has encoded, to check the image head's model with.
        texts: some texts, likewise.

    Raises:
        TrainingError: a model does not give what the head gives.
    """
    banks = heads.banks
    if heads.image is not None or banks is not None:
        graph = _Graph(images.embeddings.shape[1])
        rows = "embeddings" if heads.image is None else graph.residual(heads.image)
        if banks is not None:
            carried, padding, constant, zero = graph.normalisation(rows, banks.images)
            rows = graph.joined([rows, carried, padding, constant, zero])
        _write(folder / "image_head.onnx", graph, rows, heads.images(images), images)
    if heads.text is not None or banks is not None:
        graph = _Graph(texts.embeddings.shape[1])
        rows = "embeddings" if heads.text is None else graph.residual(heads.text)
        if banks is not None:
            carried, padding, constant, zero = graph.normalisation(rows, banks.texts)
            rows = graph.joined([rows, constant, zero, carried, padding])
        _write(folder / "text_head.onnx", graph, rows, heads.texts(texts), texts)


class _Graph:
    """A model that is being put together."""

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self.inputs = {"embeddings": dim}
        self.nodes: list[Any] = []
        self.constants: dict[str, NDArray[Any]] = {"tiny": np.array(1e-12, dtype=np.float32)}

    def residual(self, head: ResidualHead) -> str:
        """What a head gives, rows of unit length; returns its name."""
        if head.input is HeadInput.FEATURES:
            self.inputs["features"] = head.map.weight.shape[0]
        self.constants |= {"weight": head.map.weight, "bias": head.map.bias}
        added = self._node("Gemm", [head.input.value, "weight", "bias"], "added")
        return self._unit(self._node("Add", ["embeddings", added], "moved"))

    def normalisation(self, rows: str, bank: Normalisation) -> tuple[str, str, str, str]:
        """Dimensions to join to rows: the carried bias, the padding, the constant and zero."""
        self.constants |= {
            "bank": bank.bank.T,
            "count": np.array([min(bank.neighbours, len(bank.bank))], dtype=np.int64),
            "factor": np.array(-bank.strength, dtype=np.float32),
            "centre": np.array(bank.centre, dtype=np.float32),
            "least": np.array(-BIAS_LIMIT, dtype=np.float32),
            "most": np.array(BIAS_LIMIT, dtype=np.float32),
            "squared": np.array((BIAS_LIMIT / BIAS_SCALE) ** 2, dtype=np.float32),
            "scale": np.array(BIAS_SCALE, dtype=np.float32),
            "nought": np.array(0, dtype=np.float32),
        }
        similar = self._node("MatMul", [rows, "bank"], "similar")
        self._node("TopK", [similar, "count"], "nearest", "places", axis=1)
        mean = self._node("ReduceMean", ["nearest"], "mean", axes=[1], keepdims=1)
        hubness = self._node(
            "Add", [self._node("Mul", [mean, "factor"], "less"), "centre"], "hubness"
        )
        clipped = self._node("Clip", [hubness, "least", "most"], "clipped")
        carried = self._node("Div", [clipped, "scale"], "carried")
        square = self._node("Mul", [carried, carried], "square")
        left = self._node("Sub", ["squared", square], "left")
        padding = self._node("Sqrt", [self._node("Max", [left, "nought"], "above")], "padding")
        zero = self._node("Mul", [carried, "nought"], "zero")
        return carried, padding, self._node("Add", [zero, "scale"], "constant"), zero

    def joined(self, parts: Sequence[str]) -> str:
        """Parts beside each other, as rows of unit length."""
        self.dim += ADDED
        return self._unit(self._node("Concat", list(parts), "joined", axis=1))

    def _unit(self, rows: str) -> str:
        length = self._node("ReduceL2", [rows], f"{rows} length", axes=[1], keepdims=1)
        positive = self._node("Max", [length, "tiny"], f"{rows} positive")
        return self._node("Div", [rows, positive], f"{rows} unit")

    def _node(self, kind: str, inputs: Sequence[str], *outputs: str, **settings: object) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, outputs, **settings))
        return outputs[0]


def _write(path: Path, parts: _Graph, rows: str, expected: Embeddings, some: Encoded) -> None:
    """Writes a model whose output is what the graph calls ``rows``, and checks it."""
    import onnx
    from onnx import helper, numpy_helper

    graph = helper.make_graph(
        [*parts.nodes, helper.make_node("Identity", [rows], ["adapted"])],
        path.stem,
        [_tensor(name, width) for name, width in parts.inputs.items()],
        [_tensor("adapted", parts.dim)],
        [
            numpy_helper.from_array(np.ascontiguousarray(value), name)
            for name, value in parts.constants.items()
        ],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR,
        producer_name="mmsearch",
    )
    onnx.checker.check_model(model)
    onnx.save(model, path)
    _check(path, expected, {"embeddings": some.embeddings, "features": some.features})


def _tensor(name: str, width: int) -> object:
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])


def _check(path: Path, expected: Embeddings, given: Mapping[str, Features]) -> None:
    onnxruntime = onnx_runtime()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    wanted = {model_input.name: given[model_input.name] for model_input in session.get_inputs()}
    (found,) = session.run(["adapted"], wanted)
    furthest = float(np.abs(found - expected).max())
    if not furthest <= _TOLERANCE:
        raise TrainingError(
            f"{path.name} gives embeddings that differ by {furthest:.1g} from those of the head "
            "it was made from; nothing was stored. Please report this."
        )
