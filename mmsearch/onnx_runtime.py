"""ONNX Runtime, which is not to tell anybody that it runs."""

from __future__ import annotations

import os
from types import ModuleType

_SWITCH = "ORT_DISABLE_TELEMETRY"


def onnx_runtime() -> ModuleType:
    """Imports ONNX Runtime without its telemetry.

    Its wheels report to their makers over the network as soon as a model is loaded, and leave a
    file ``.ses`` in the folder for temporary files. What keeps them from it is read when it is
    imported, so this comes before anything else that imports it. Who sets the variable decides.
    """
    if _SWITCH in os.environ:
        import onnxruntime

        return onnxruntime  # type: ignore[no-any-return]
    os.environ[_SWITCH] = "1"
    try:
        import onnxruntime
    finally:
        os.environ.pop(_SWITCH, None)
    return onnxruntime  # type: ignore[no-any-return]
