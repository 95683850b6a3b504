"""The folder of weights: which files it holds, and the identity that was computed from them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from mmsearch.encoders.base import ImageTransform
from mmsearch.errors import WeightsError

MANIFEST = "manifest.json"
IMAGE_TOWER = "image_tower.onnx"
TEXT_TOWER = "text_tower.onnx"
HEADS = "heads.safetensors"
TOKENIZER = "tokenizer.json"
WEIGHT_FILES = (IMAGE_TOWER, TEXT_TOWER, HEADS, TOKENIZER)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a folder of weights is.

    Attributes:
        name: of the encoder, for people to read.
        revision: ``content_hash`` of the weights. It is computed when they are made and only
            read afterwards, because hashing them would cost every query 50 ms.
        dim: length of an embedding.
        transform: the image preprocessing that the weights were trained with.
    """

    name: str
    revision: str
    dim: int
    transform: ImageTransform

    def save(self, folder: Path) -> None:
        """Writes the manifest into a folder of weights."""
        document = {
            "name": self.name,
            "revision": self.revision,
            "dim": self.dim,
            "transform": self.transform.describe(),
        }
        (folder / MANIFEST).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Manifest:
        """Reads the manifest of a folder of weights.

        Raises:
            WeightsError: there is none, or it is not one.
        """
        path = folder / MANIFEST
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                name=document["name"],
                revision=document["revision"],
                dim=int(document["dim"]),
                transform=ImageTransform(**document["transform"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WeightsError(
                f"{folder} holds no weights of the embedded encoder ({error}). Install mmsearch "
                "again, or name a folder that mmsearch.training has written."
            ) from error


def content_hash(folder: Path) -> str:
    """The first 12 hexadecimal digits of the SHA-256 of a folder's weight files."""
    digest = hashlib.sha256()
    for name in WEIGHT_FILES:
        content = (folder / name).read_bytes()
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:12]
