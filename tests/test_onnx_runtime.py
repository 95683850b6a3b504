"""ONNX Runtime reports to nobody that it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_EMBED = """
import os
import mmsearch.encoders.embedded as embedded
embedded.EmbeddedEncoder().encode_texts(["a cat"])
assert "ORT_DISABLE_TELEMETRY" not in os.environ
"""
_OPEN = """
from mmsearch.onnx_runtime import onnx_runtime
onnx_runtime()
"""


@pytest.mark.parametrize("code", [_EMBED, _OPEN])
def test_no_session_of_telemetry_is_begun(tmp_path: Path, code: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    environment["TMPDIR"] = str(tmp_path)
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert not list(tmp_path.iterdir())  # where it begins one, it leaves its number here
