"""Exports an open_clip model's text tower, and checks what came of it against torch.

Imports torch and onnx: it runs where the model is loaded anyway.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from torch import nn

from mmsearch.encoders.adapted import HEADS, save_heads
from mmsearch.encoders.background import background_texts
from mmsearch.encoders.base import Embeddings
from mmsearch.encoders.text_onnx import bpe, graph, module
from mmsearch.encoders.text_onnx.tokens import MERGES, TOKENIZER, load_tokens
from mmsearch.encoders.text_onnx.tower import (
    GRAPH,
    INPUT,
    OUTPUT,
    WEIGHTS,
    Description,
    Parity,
    TextTower,
)
from mmsearch.errors import EncoderError, MmsearchError

if TYPE_CHECKING:
    from mmsearch.encoders.adapted import AdaptedEncoder
    from mmsearch.encoders.open_clip import OpenClipEncoder
    from mmsearch.encoders.tokenizer import Tokenizer

_log = logging.getLogger(__name__)

_OPSET = 17
_EXTERNAL = 1024  # bytes; what is larger lies outside the graph and is mapped

_LEAST, _MEAN, _RECALL = 0.99, 0.998, 0.95
"""What `Parity` must reach; the first precision that does is kept."""

_PRECISIONS: dict[str, Callable[[onnx.ModelProto], None] | None] = {
    "int8": graph.to_int8,
    "float16": graph.to_float16,
    "float32": None,
}
_NEIGHBOURS = 10
_BATCH = 16
_COMPARED = 4  # every which of the background texts
_ODD = (
    "",
    "A PHOTO of 2 dogs, it's snowing!?",
    "Ünïcode ✨ café’s — 東京の夜 &amp; more\ttabs",
    "don't <end_of_text> stop",
    "a very long sentence that says the same again and again " * 20,
)


def export(
    encoder: OpenClipEncoder, folder: Path, adapted: AdaptedEncoder | None = None
) -> Description:
    """Writes a text tower into an empty folder, in the smallest form that keeps what it finds.

    Args:
        encoder: whose tower.
        folder: where to.
        adapted: whose tower it is then, with this encoder as its base.

    Raises:
        EncoderError: the architecture cannot be exported, or comes out different.
        OSError: the folder cannot be written to.
    """
    texts = [*background_texts()[::_COMPARED], *_ODD]
    path = folder / "whole.onnx"
    try:
        lean = module.lean_tower(encoder.model)
        short = lean is not None and lean.is_short
        described = _write_tokenizer(encoder, folder, short=short)
        tokens = encoder.tokenize(texts).cpu()
        made = load_tokens(folder, described)(texts)
        if not np.array_equal(made, tokens.numpy()[:, : made.shape[1]]):
            raise EncoderError("its tokenizer gives other tokens without open_clip")
        whole = module.whole_tower(encoder.model)
        with torch.inference_mode():
            features = [whole(part) for part in torch.split(tokens, _BATCH)]
        expected = _unit(torch.cat(features).numpy())
        if adapted is not None:
            save_heads(folder / HEADS, replace(adapted.heads, image=None))
            expected = adapted.heads.texts_of(expected)
        _to_onnx(lean or whole, tokens[:2], path, any_length=short)
        del whole, lean
        return _smallest(adapted or encoder, folder, path, described, texts, expected)
    except (OSError, MmsearchError):
        raise
    except Exception as error:  # torch's exporter, onnxruntime and others raise whatever they meet
        raise EncoderError(f"{type(error).__name__}: {error}".splitlines()[0]) from error
    finally:
        path.unlink(missing_ok=True)


def _smallest(
    encoder: OpenClipEncoder | AdaptedEncoder,
    folder: Path,
    path: Path,
    described: dict[str, Any],
    texts: Sequence[str],
    expected: Embeddings,
) -> Description:
    parity = Parity(0, 0.0, 0.0, 0.0)
    for precision, store in _PRECISIONS.items():
        exported = onnx.load(path)
        if store is not None:
            store(exported)
        _save(exported, folder)
        candidate = Description(
            encoder.id, encoder.dim, precision, described, parity, (folder / HEADS).is_file()
        )
        parity = compare(expected, TextTower(folder, candidate)(texts))
        _log.debug("The text tower of %s as %s: %s", encoder.id, precision, parity)
        if parity.least >= _LEAST and parity.mean >= _MEAN and parity.recall >= _RECALL:
            description = replace(candidate, parity=parity)
            description.save(folder)
            return description
    raise EncoderError(f"it comes out different: {parity}")


def compare(expected: Embeddings, found: Embeddings) -> Parity:
    """How near embeddings of the same texts come to each other.

    Args:
        expected: float32, shape (n, dim), rows of unit length.
        found: likewise.
    """
    cosines = (expected * found).sum(axis=1)
    count = min(_NEIGHBOURS, len(expected) - 1)
    shared = [
        len(set(one) & set(other)) / count
        for one, other in zip(
            _nearest(expected, count).tolist(), _nearest(found, count).tolist(), strict=True
        )
    ]
    mean, least, recall = float(cosines.mean()), float(cosines.min()), float(np.mean(shared))
    return Parity(len(expected), round(least, 5), round(mean, 5), round(recall, 3))


def _nearest(embeddings: Embeddings, count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    products = embeddings @ embeddings.T
    np.fill_diagonal(products, -np.inf)
    return np.argsort(-products, axis=1, kind="stable")[:, :count]


def _unit(rows: np.ndarray[Any, np.dtype[np.float32]]) -> Embeddings:
    unit: Embeddings = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit


def _write_tokenizer(encoder: OpenClipEncoder, folder: Path, *, short: bool) -> dict[str, Any]:
    """Writes the tokenizer's file; returns what `load_tokens` needs beside it."""
    from open_clip import tokenizer as theirs

    tokenizer: Tokenizer = encoder.tokenizer
    own: Any = tokenizer.cut
    options = dict(encoder.text_config.get("tokenizer_kwargs", {}))
    if isinstance(own, theirs.SimpleTokenizer):
        if options:
            raise EncoderError(f"its tokenizer has the options {', '.join(options)}")
        bpe.write_merges(Path(theirs.default_bpe()), folder / MERGES)
        return {"kind": "clip", "length": own.context_length, "short": short}
    if own.tokenizer_mode:
        raise EncoderError(f"its tokenizer works in the mode {own.tokenizer_mode}")
    backend = getattr(own.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise EncoderError("its tokenizer is not one of the library tokenizers")
    from tokenizers import Tokenizer as Copy

    length = int(own.context_length)
    copied = Copy.from_str(backend.to_str())
    copied.enable_truncation(length)
    copied.enable_padding(
        length=length,
        pad_id=own.tokenizer.pad_token_id,
        pad_token=own.tokenizer.pad_token,
        direction=own.tokenizer.padding_side,
    )
    copied.save(str(folder / TOKENIZER))
    separator = own.tokenizer.sep_token_id if own.strip_sep_token else None
    way = options.get("clean", "whitespace")
    return {"kind": "hub", "length": length, "clean": way, "separator": separator}


def _to_onnx(tower: nn.Module, tokens: torch.Tensor, path: Path, *, any_length: bool) -> None:
    axes = {0: "n", 1: "length"} if any_length else {0: "n"}
    custom = {graph.RUNTIME: 1} if isinstance(tower, module.LeanTower) else None
    with warnings.catch_warnings(), torch.inference_mode(), module.exportable_attention():
        # The exporter that this one is deprecated for needs yet another package.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            tower,
            (tokens,),
            path,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: axes, OUTPUT: {0: "n"}},
            opset_version=_OPSET,
            dynamo=False,
            custom_opsets=custom,
        )


def _save(exported: onnx.ModelProto, folder: Path) -> None:
    """Writes a graph, and its weights beside it."""
    if not any(one.domain == graph.RUNTIME for one in exported.opset_import):
        exported.opset_import.append(onnx.helper.make_opsetid(graph.RUNTIME, 1))
    (folder / WEIGHTS).unlink(missing_ok=True)  # onnx would append
    onnx.save(
        exported,
        folder / GRAPH,
        save_as_external_data=True,
        location=WEIGHTS,
        size_threshold=_EXTERNAL,
    )
