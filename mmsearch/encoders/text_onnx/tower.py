"""Runs an exported text tower: ONNX Runtime, and nothing of torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmsearch.encoders.base import Embeddings
from mmsearch.encoders.text_onnx.tokens import load_tokens
from mmsearch.errors import WeightsError
from mmsearch.onnx_runtime import onnx_runtime

if TYPE_CHECKING:
    from mmsearch.encoders.adapted import Heads

DESCRIPTION = "tower.json"
GRAPH = "tower.onnx"
WEIGHTS = "tower.bin"
FORMAT = 1

INPUT, OUTPUT = "tokens", "features"

_BATCH = 32


@dataclass(frozen=True, slots=True)
class Parity:
    """How near an exported tower comes to torch, in float32 with the same weights.

    Attributes:
        texts: how many texts were compared.
        least: the lowest cosine similarity of a text's two embeddings.
        mean: the mean of the same.
        recall: share of each text's ten nearest other texts that both have in common, mean.
    """

    texts: int
    least: float
    mean: float
    recall: float


@dataclass(frozen=True, slots=True)
class Description:
    """What is in a tower's folder.

    Attributes:
        encoder: id of the encoder that the tower is of.
        dim: length of an embedding.
        precision: what the weights are stored as: ``int8``, ``float16`` or ``float32``.
        tokens: the tokenizer: see `mmsearch.encoders.text_onnx.tokens.load_tokens`.
        parity: how near it comes to torch.
        is_adapted: whether the text head of an adapted encoder follows: see
            `mmsearch.encoders.adapted`.
    """

    encoder: str
    dim: int
    precision: str
    tokens: dict[str, Any]
    parity: Parity
    is_adapted: bool = False

    def save(self, folder: Path) -> None:
        """Writes the description into a folder."""
        content = json.dumps({"format": FORMAT, **asdict(self)}, indent=2)
        (folder / DESCRIPTION).write_text(content, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Description | None:
        """Reads the description of a folder; None where there is none that can be used."""
        try:
            content = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
            if content.pop("format") != FORMAT:
                return None
            parity = Parity(**content.pop("parity"))
            return cls(**content, parity=parity)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


class TextTower:
    """An exported text tower.

    The weights lie beside the graph in a file that ONNX Runtime maps: of the table of word
    embeddings, nearly half of them, only the rows that are looked up are ever read.

    Args:
        folder: what `mmsearch.encoders.text_onnx.export` made.
        description: of the same.

    Raises:
        WeightsError: its files cannot be loaded.
    """

    def __init__(self, folder: Path, description: Description) -> None:
        onnxruntime = onnx_runtime()
        self._dim = description.dim
        self._heads = _heads(folder) if description.is_adapted else None
        self.tokens = load_tokens(folder, description.tokens)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # A few words are a little work: more threads would wait for each other.
        options.intra_op_num_threads = 1
        # Optimised when it was exported.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            self._session = onnxruntime.InferenceSession(
                folder / GRAPH, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's own errors have no common base
            raise WeightsError(f"The text tower in {folder} cannot be loaded ({error}).") from error

    def __call__(self, texts: Sequence[str]) -> Embeddings:
        """Embeds texts; what is longer than the tower takes is cut.

        Returns:
            float32, shape (n, dim), rows of unit length.
        """
        if not texts:
            return np.empty((0, self._dim), dtype=np.float32)
        parts = [
            self._session.run([OUTPUT], {INPUT: self.tokens(texts[at : at + _BATCH])})[0]
            for at in range(0, len(texts), _BATCH)
        ]
        found = np.concatenate(parts)
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        embeddings: Embeddings = (found / np.maximum(lengths, 1e-12)).astype(np.float32)
        return embeddings if self._heads is None else self._heads.texts_of(embeddings)


def _heads(folder: Path) -> Heads:
    from mmsearch.encoders import adapted  # which most queries do without

    return adapted.load_heads(folder / adapted.HEADS)
