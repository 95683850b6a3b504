"""Reads the text in pictures with RapidOCR: PP-OCR models on ONNX Runtime, without a network."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from mmsearch.errors import SettingsError
from mmsearch.media.layout import Line, group_lines
from mmsearch.onnx_runtime import onnx_runtime

if TYPE_CHECKING:
    from types import ModuleType

_SIDE = 960  # pixels of the longer side; with more, large letters are missed (docs/ocr.md)
_MIN_SCORE = 0.8  # of a line; what photos without text give lies below
_MIN_LETTERS = 2  # of a block


class TextReader:
    """Reads the text in pictures, in Latin script, Chinese and Japanese.

    Safe to use from several threads; each loads models of its own (about 100 MB) and computes on
    one core.

    Attributes:
        min_size: width and height in pixels to decode pictures at; more is scaled down.

    Raises:
        SettingsError: the extra ``ocr`` is not installed.
    """

    min_size = (_SIDE, _SIDE)

    def __init__(self) -> None:
        require_text_reader()
        onnx_runtime()  # before RapidOCR imports it
        import rapidocr

        self._options = _options(rapidocr)
        self._of_thread = threading.local()

    def blocks(self, image: Image.Image) -> list[str]:
        """Reads a picture.

        Lines that belong together, by their size, direction and distance, are one block; columns
        are blocks of their own. What is hardly legible is left out.

        Args:
            image: mode RGB, upright.

        Returns:
            Blocks from top to bottom, each without line breaks; empty where there is no text.
        """
        image = _at_most(image, _SIDE)
        bgr = np.ascontiguousarray(np.asarray(image)[:, :, ::-1])
        lines = [line for line in self._lines(bgr) if line.text]
        blocks = (" ".join(line.text for line in block) for block in group_lines(lines))
        return [text for text in blocks if sum(map(str.isalnum, text)) >= _MIN_LETTERS]

    def _lines(self, bgr: np.ndarray[Any, np.dtype[np.uint8]]) -> Iterator[Line]:
        found = self._engine()(bgr)
        if found.txts is None or found.boxes is None:
            return
        for text, score, corners in zip(found.txts, found.scores, found.boxes, strict=True):
            if score >= _MIN_SCORE:
                yield Line(" ".join(text.split()), np.asarray(corners, dtype=np.float64))

    def _engine(self) -> Any:
        """The calling thread's own: RapidOCR keeps the state of a call in its objects."""
        engine = getattr(self._of_thread, "engine", None)
        if engine is None:
            onnx_runtime()  # before RapidOCR imports it
            from rapidocr import RapidOCR

            engine = self._of_thread.engine = RapidOCR(params=self._options)
        return engine


def require_text_reader() -> None:
    """Checks that text in pictures can be read, without loading anything.

    Raises:
        SettingsError: the extra ``ocr`` is not installed.
    """
    if find_spec("rapidocr") is None:
        raise SettingsError(
            'reading text in images needs an extra: install it with `pip install "mmsearch[ocr]"`'
        )


def _options(rapidocr: ModuleType) -> dict[str, Any]:
    """RapidOCR's settings. Naming the model files keeps it from ever downloading any."""
    folder = Path(str(rapidocr.__file__)).parent / "models"
    return {
        "Global.log_level": "critical",  # it would print to standard error
        "Global.max_side_len": _SIDE,
        "Det.model_path": _model(folder, "*_det_*.onnx"),
        "Det.limit_type": "max",
        "Det.limit_side_len": _SIDE,
        "Cls.model_path": _model(folder, "*_cls_*.onnx"),
        "Rec.model_path": _model(folder, "*_rec_*.onnx"),
        "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    }


def _model(folder: Path, pattern: str) -> str:
    found = sorted(folder.glob(pattern))
    if not found:
        raise SettingsError(
            "rapidocr is installed without its models; install it again with "
            '`pip install --force-reinstall "mmsearch[ocr]"`'
        )
    return str(found[-1])


def _at_most(image: Image.Image, side: int) -> Image.Image:
    """Scales an image down until its longer side is ``side``."""
    scale = side / max(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(length * scale)) for length in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
