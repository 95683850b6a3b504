"""The file of residual heads: safetensors, float32, and in its metadata what each head takes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from mmsearch.encoders.adapted.heads import AffineMap, Banks, HeadInput, Heads, ResidualHead
from mmsearch.encoders.base import Features
from mmsearch.encoders.embedded.heads import Normalisation
from mmsearch.errors import WeightsError

HEADS = "heads.safetensors"

_TOWERS = ("image", "text")
_NORMALISATION = "normalisation"
_INPUTS = "inputs"  # the key of the file's metadata


def save_heads(path: Path, heads: Heads) -> None:
    """Writes heads as safetensors: float32 arrays, and in the metadata what each head takes.

    Raises:
        OSError: the file cannot be written.
    """
    from safetensors.numpy import save

    arrays: dict[str, Features] = {}
    inputs: dict[str, object] = {}
    for tower, head in heads.present.items():
        arrays[f"{tower}.weight"] = np.ascontiguousarray(head.map.weight, dtype=np.float32)
        arrays[f"{tower}.bias"] = np.ascontiguousarray(head.map.bias, dtype=np.float32)
        inputs[tower] = head.input.value
    for tower, bank in heads.present_banks.items():
        arrays[f"{tower}.bank"] = np.ascontiguousarray(bank.bank, dtype=np.float32)
        inputs[f"{tower}.{_NORMALISATION}"] = bank.numbers
    # In one entry, as safetensors writes several in any order. And not by `save_file`: its files
    # are their owner's alone, and its errors no OSError.
    path.write_bytes(save(arrays, metadata={_INPUTS: json.dumps(inputs)}))


def load_heads(path: Path) -> Heads:
    """Reads what ``save_heads`` wrote.

    Raises:
        WeightsError: ``path`` is not there or holds something else.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            given = json.loads(file.metadata()[_INPUTS])
            found = {
                tower: ResidualHead(
                    HeadInput(given[tower]),
                    AffineMap(file.get_tensor(f"{tower}.weight"), file.get_tensor(f"{tower}.bias")),
                )
                for tower in _TOWERS
                if tower in given
            }
            banks = [
                Normalisation(
                    file.get_tensor(f"{tower}.bank"), **given[f"{tower}.{_NORMALISATION}"]
                )
                for tower in _TOWERS
                if f"{tower}.{_NORMALISATION}" in given
            ]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            f"The heads {path} cannot be loaded ({error}); train the encoder again."
        ) from error
    return Heads(found.get("image"), found.get("text"), Banks(*banks) if banks else None)
