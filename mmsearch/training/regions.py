"""The regions of a photo: what the embedded encoder's image tower sees in each, for explanations.

The tower pools maps into features. What shows the maps is a file of a few hundred bytes, a
*fragment* of an ONNX graph that names tensors of the tower's own graph. ONNX files are protobuf
messages, and messages that follow each other in one stream are merged, their lists joined: the
bytes of the tower with those of the fragment behind them are a tower with more outputs. So the
tower's own file stays as it is, and indexing never computes what only explanations need.

    python -m mmsearch.training.regions FOLDER

makes the fragment of weights that were exported without one.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mmsearch.encoders.embedded.manifest import IMAGE_REGIONS, IMAGE_TOWER
from mmsearch.encoders.embedded.regions import LOGITS, MAP
from mmsearch.errors import TrainingError
from mmsearch.training.towers import require

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


def export_regions(tower: Path) -> Path | None:
    """Writes the fragment of an image tower beside it.

    Args:
        tower: the tower's ONNX file, as `mmsearch.training.export` writes it.

    Returns:
        The fragment's file; None, and none is left there, where the tower pools in another way.

    Raises:
        TrainingError: onnx is not installed.
    """
    path = tower.with_name(IMAGE_REGIONS)
    made = fragment(require("onnx").load(tower))
    if made is None:
        path.unlink(missing_ok=True)
        return None
    path.write_bytes(made.SerializeToString(deterministic=True))
    return path


def fragment(model: ModelProto) -> ModelProto | None:
    """What is to be added to a tower's graph, for the outputs that `RegionTower` asks for.

    Returns:
        A message that is no model on its own; None where the features are not means and root
        mean squares of maps, or the logits not linear in the first map's mean.
    """
    onnx = require("onnx")
    makers = {name: node for node in model.graph.node for name in node.output}
    features, classifier = makers["features"], makers["logits"]
    parts = list(features.input) if features.op_type == "Concat" else ["features"]
    maps = [_pooled_map(part, makers) for part in parts]
    if None in maps or classifier.op_type != "Gemm":
        return None
    if _pooled_map(classifier.input[0], makers) != maps[0]:
        return None

    node = onnx.helper.make_node
    outputs = [f"{MAP}{number}" for number in range(len(maps))]
    nodes = [node("Identity", [name], [out]) for name, out in zip(maps, outputs, strict=True)]
    alone = onnx.NodeProto()
    alone.CopyFrom(classifier)
    alone.name, alone.input[0], alone.output[0] = LOGITS, "region_rows", LOGITS
    nodes += [
        # (1, channels, rows, columns) -> (rows x columns, channels)
        node("Flatten", [outputs[0]], ["region_channels"], axis=2),
        node("Transpose", ["region_channels"], ["region_rows"], perm=[1, 0]),
        alone,
    ]
    added = onnx.ModelProto()
    added.graph.node.extend(nodes)
    kind = onnx.TensorProto.FLOAT
    for name in (*outputs, LOGITS):
        added.graph.output.append(onnx.helper.make_tensor_value_info(name, kind, None))
    return added


def _pooled_map(name: str, makers: dict[str, NodeProto]) -> str | None:
    """The map that a tensor is the mean or the root mean square of."""
    name = _before(name, makers, ("Sqrt", "Clip"))
    maker = makers.get(name)
    if maker is None or maker.op_type != "ReduceMean":
        return None
    return _before(maker.input[0], makers, ("Mul", "Reshape"))


def _before(name: str, makers: dict[str, NodeProto], steps: tuple[str, ...]) -> str:
    """The tensor that operators of these kinds were applied to."""
    while (maker := makers.get(name)) is not None and maker.op_type in steps:
        name = maker.input[0]
    return name


def main(arguments: list[str]) -> None:
    """Makes the fragment of the weights in a folder."""
    if len(arguments) != 1:
        raise TrainingError("Name one folder: python -m mmsearch.training.regions FOLDER")
    if export_regions(Path(arguments[0]) / IMAGE_TOWER) is None:
        raise TrainingError(f"The image tower in {arguments[0]} pools no maps.")


if __name__ == "__main__":
    main(sys.argv[1:])
