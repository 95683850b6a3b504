"""Heads as ONNX models, for programs that run the base encoder elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmsearch.encoders.adapted import HeadInput, Heads, ResidualHead
from mmsearch.encoders.base import Encoded
from mmsearch.errors import TrainingError

OPSET = 17
_IR = 8  # the oldest that goes with the opset
_TOLERANCE = 1e-4


def write_onnx_heads(folder: Path, heads: Heads, images: Encoded, texts: Encoded) -> None:
    """Writes ``image_head.onnx`` and ``text_head.onnx``, each where there is such a head.

    A model takes ``embeddings``, float32 of shape (n, dim), as the base makes them, and where
    its head needs them ``features``, float32 of shape (n, features); its output ``adapted`` is
    float32 of shape (n, dim), rows of unit length.

    Args:
        folder: that gets the files.
        heads: to write.
        images: some photos that the base has encoded, to check the image head's model with.
        texts: some texts, likewise.

    Raises:
        TrainingError: a model does not give what the head gives.
    """
    for name, head, some in (("image", heads.image, images), ("text", heads.text, texts)):
        if head is not None:
            path = folder / f"{name}_head.onnx"
            _write(path, head)
            _check(path, head, some)


def _write(path: Path, head: ResidualHead) -> None:
    import onnx
    from onnx import helper, numpy_helper

    inputs, dim = head.map.weight.shape
    shapes = {"embeddings": dim}
    if head.input is HeadInput.FEATURES:
        shapes["features"] = inputs
    constants = {
        "weight": head.map.weight,
        "bias": head.map.bias,
        "tiny": np.array(1e-12, dtype=np.float32),
    }
    nodes = [
        helper.make_node("Gemm", [head.input.value, "weight", "bias"], ["added"]),
        helper.make_node("Add", ["embeddings", "added"], ["moved"]),
        helper.make_node("ReduceL2", ["moved"], ["length"], axes=[1], keepdims=1),
        helper.make_node("Max", ["length", "tiny"], ["positive"]),
        helper.make_node("Div", ["moved", "positive"], ["adapted"]),
    ]
    graph = helper.make_graph(
        nodes,
        path.stem,
        [_tensor(name, width) for name, width in shapes.items()],
        [_tensor("adapted", dim)],
        [
            numpy_helper.from_array(np.ascontiguousarray(value, dtype=np.float32), name)
            for name, value in constants.items()
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


def _tensor(name: str, width: int) -> object:
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])


def _check(path: Path, head: ResidualHead, some: Encoded) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    given = {"embeddings": some.embeddings, "features": some.features}
    wanted = {model_input.name: given[model_input.name] for model_input in session.get_inputs()}
    (found,) = session.run(["adapted"], wanted)
    furthest = float(np.abs(found - head(some)).max())
    if not furthest <= _TOLERANCE:
        raise TrainingError(
            f"{path.name} gives embeddings that differ by {furthest:.1g} from those of the head "
            "it was made from; nothing was stored. Please report this."
        )
