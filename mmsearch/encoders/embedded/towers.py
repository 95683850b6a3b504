"""The two towers, run by ONNX Runtime and tokenizers: from pixels and texts to features."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmsearch.cores import usable_cores
from mmsearch.encoders.base import Pixels
from mmsearch.encoders.embedded.heads import Floats
from mmsearch.errors import WeightsError
from mmsearch.onnx_runtime import onnx_runtime

if TYPE_CHECKING:
    import tokenizers

MAX_TOKENS = 128
"""Texts are cut here; the text tower was trained on texts of this length."""

IMAGE_BATCH = 32
"""How many images to give the image tower at once: enough to keep several cores busy."""

_TEXT_BATCH = 32


class ImageTower:
    """EfficientNet-Lite2, exported by ``mmsearch.training``.

    Images are computed side by side, each by one thread and on its own: ONNX Runtime's own
    threads would share each image and wait for each other busily, which takes twice the processor
    time where the same cores also decode photos; and what an image gives does not depend on the
    others, to the last bit.

    Args:
        path: the ONNX file.
        threads: how many images are computed side by side; None takes one a core.

    Raises:
        WeightsError: ``path`` is not there or cannot be loaded.
    """

    def __init__(self, path: Path, threads: int | None) -> None:
        self._session = _open_session(path)
        self.threads = threads or usable_cores()

    def __call__(self, pixels: Pixels) -> tuple[Floats, Floats]:
        """Looks at images.

        Args:
            pixels: uint8 RGB, shape (n, height, width, 3), n at least 1.

        Returns:
            Features, float32 of shape (n, features), and logits, float32 of shape (n, 1000).
        """
        with ThreadPoolExecutor(self.threads, thread_name_prefix="mmsearch-encode") as pool:
            seen = list(pool.map(self._run, np.split(pixels, len(pixels))))
        features, logits = (np.concatenate(parts) for parts in zip(*seen, strict=True))
        return features, logits

    def _run(self, pixels: Pixels) -> tuple[Floats, Floats]:
        features, logits = self._session.run(["features", "logits"], {"pixels": pixels})
        return features, logits


class Tokenizer:
    """The text tower's tokenizer, of use without the tower.

    Args:
        path: its ``tokenizer.json``.

    Raises:
        WeightsError: ``path`` is not there or cannot be loaded.
    """

    def __init__(self, path: Path) -> None:
        self._tokenizer = _open_tokenizer(path)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of texts, at most :data:`MAX_TOKENS` of each."""
        encodings = self._tokenizer.encode_batch([_without_surrogates(text) for text in texts])
        return [encoding.ids for encoding in encodings]

    def fits(self, text: str) -> bool:
        """Whether nothing of a text is cut off."""
        return not self._tokenizer.encode(_without_surrogates(text)).overflowing


def _without_surrogates(text: str) -> str:
    """File names may hold lone surrogates, which no tokenizer takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


class TextTower:
    """MiniLM, exported by ``mmsearch.training``.

    Blocks of texts are computed side by side, each by one thread, as `ImageTower` does.

    Args:
        path: the ONNX file.
        tokenizer: makes its tokens.
        threads: how many blocks are computed side by side; None takes one a core.

    Raises:
        WeightsError: ``path`` is not there or cannot be loaded.
    """

    def __init__(self, path: Path, tokenizer: Tokenizer, threads: int | None) -> None:
        self._session = _open_session(path)
        self._tokenizer = tokenizer
        self._threads = threads or usable_cores()

    def __call__(self, texts: Sequence[str]) -> Floats:
        """Reads texts; those of like length go together, so that little is padded.

        Args:
            texts: n of them, at least 1.

        Returns:
            Features, float32 of shape (n, features).
        """
        tokens = self._tokenizer.ids(texts)
        # The longest first, so that all cores are done at about the same time.
        order = sorted(range(len(tokens)), key=lambda index: -len(tokens[index]))
        if len(order) <= _TEXT_BATCH:  # a query waits for no threads to start
            features = self._run([tokens[index] for index in order])
        else:
            features = self._side_by_side(
                [
                    [tokens[index] for index in order[start : start + _TEXT_BATCH]]
                    for start in range(0, len(order), _TEXT_BATCH)
                ]
            )
        in_order = np.empty_like(features)
        in_order[order] = features
        return in_order

    def _side_by_side(self, blocks: Sequence[Sequence[Sequence[int]]]) -> Floats:
        """Features of blocks of tokens, one after the other."""
        with ThreadPoolExecutor(self._threads, thread_name_prefix="mmsearch-encode") as pool:
            return np.concatenate(list(pool.map(self._run, blocks)))

    def _run(self, tokens: Sequence[Sequence[int]]) -> Floats:
        ids, mask = _padded(tokens)
        (features,) = self._session.run(["features"], {"ids": ids, "mask": mask})
        found: Floats = features
        return found


def _open_session(path: Path) -> Any:
    """A session on one core."""
    onnxruntime = onnx_runtime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own errors have no common base
        raise WeightsError(f"The weights {path} cannot be loaded: {error}") from error


def _open_tokenizer(path: Path) -> tokenizers.Tokenizer:
    import tokenizers

    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises plain Exception
        raise WeightsError(f"The tokenizer {path} cannot be loaded: {error}") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def _padded(tokens: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Token ids and their mask, each int64 of shape (n, longest)."""
    longest = max(map(len, tokens))
    ids = np.zeros((len(tokens), longest), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, text in enumerate(tokens):
        ids[row, : len(text)] = text
        mask[row, : len(text)] = 1
    return ids, mask
