"""ONNX Runtime and OpenVINO, for processors that do not multiply in bfloat16.

Both read the same export of the tower, in float32, which is kept in the user's cache.
"""

from __future__ import annotations

import os
import threading
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from mmsearch.encoders.engines.packed import rewrite
from mmsearch.onnx_runtime import onnx_runtime

if TYPE_CHECKING:
    from mmsearch.encoders.engines.base import Run, Tower

OPSET = 17


def onnxruntime_fits(tower: Tower) -> bool:
    """Whether it can be faster than torch; the exporter needs the package ``onnx``."""
    return tower.is_float32 and _have("onnx", "onnxruntime")


def openvino_fits(tower: Tower) -> bool:
    """Whether it is installed; it is no dependency."""
    return tower.is_float32 and _have("onnx", "openvino")


def start_onnxruntime(tower: Tower) -> Run:
    """A session that computes in the calling thread.

    Raises:
        Exception: of torch's and ONNX Runtime's many kinds.
    """
    onnxruntime = onnx_runtime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(_export(tower), options, providers=providers)

    def run(images: torch.Tensor) -> torch.Tensor:
        (found,) = session.run(None, {"images": images.numpy()})
        return torch.from_numpy(found)

    return run


def start_openvino(tower: Tower) -> Run:
    """A model with one stream a thread.

    Raises:
        Exception: of torch's and OpenVINO's many kinds.
    """
    import openvino

    threads = {"NUM_STREAMS": tower.cores, "INFERENCE_NUM_THREADS": tower.cores}
    model = openvino.Core().compile_model(_export(tower), "CPU", threads)
    own = threading.local()

    def run(images: torch.Tensor) -> torch.Tensor:
        if not hasattr(own, "request"):
            own.request = model.create_infer_request()
        (found,) = own.request.infer({0: images.numpy()}).values()
        return torch.from_numpy(found.copy())

    return run


def _export(tower: Tower) -> Path:
    """The tower as ONNX, for any number of images."""
    name = f"{tower.name}@{tower.revision}".replace("/", "_").replace(":", "_")
    path = tower.cache / "image-towers" / f"{name}.onnx"
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}")
    visual: Any = rewrite(tower.visual, pack=False)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # this exporter is deprecated for one that needs more
        torch.onnx.export(
            visual,
            (tower.example,),
            beside,
            input_names=["images"],
            output_names=["embeddings"],
            dynamic_axes={"images": {0: "n"}, "embeddings": {0: "n"}},
            opset_version=OPSET,
            dynamo=False,
        )
    beside.replace(path)
    return path


def _have(*packages: str) -> bool:
    return all(find_spec(package) for package in packages)
