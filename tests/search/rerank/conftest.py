"""Tiny models with random weights, and candidates that count how often they are opened."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmsearch.errors import UnreadableFileError
from mmsearch.items import Modality
from mmsearch.search.rerank.base import Candidate
from tests.encoders.conftest import (  # noqa: F401 - fixtures
    hub,
    serve_hub,
    tiny,
    tiny_file,
    tiny_model,
    use_hub,
)

COCA = "mmsearch-tiny-coca"
WORDS = "[PAD] [CLS] [SEP] [UNK] a dog cat runs red blue green on the beach"


class Opener:
    """Opens a picture, and counts."""

    def __init__(self, path: Path) -> None:
        self.path, self.opened = path, 0

    def __call__(self, min_size: tuple[int, int] | None = None) -> Image.Image:
        self.opened += 1
        if not self.path.is_file():
            raise UnreadableFileError("it is no longer there")
        return Image.open(self.path).convert("RGB")


def photo(path: Path, *, similarity: float = 0.5, **more: Any) -> Candidate:
    """A candidate that shows a file."""
    return Candidate(
        path, Modality.IMAGE, similarity, similarity, None, Opener(path), path=path, **more
    )


def caption(text: str) -> Candidate:
    """A candidate that says something."""
    return Candidate(text, Modality.CAPTION, 0.5, 0.5, text, Opener(Path("none")))


def noise(path: Path, seed: int, size: tuple[int, int] = (64, 48)) -> Path:
    """A photo unlike others."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of caches."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("MMSEARCH_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def coca_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a tiny captioner, whose architecture `COCA` open_clip knows."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("coca")
    text = {"context_length": 16, "width": 32, "heads": 2, "layers": 1}
    config = {
        "embed_dim": 32,
        "custom_text": True,
        "vision_cfg": {
            "image_size": 48,
            "layers": 1,
            "width": 64,
            "head_width": 32,
            "patch_size": 16,
            "attentional_pool": True,
            "attn_pooler_queries": 4,
            "attn_pooler_heads": 2,
            "output_tokens": True,
        },
        "text_cfg": text | {"embed_cls": True, "output_tokens": True},
        "multimodal_cfg": text,
    }
    (folder / f"{COCA}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    torch.manual_seed(0)
    model = open_clip.create_model(COCA)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.2)
    path = folder / "coca.safetensors"
    save_file({name: t.contiguous() for name, t in model.state_dict().items()}, path)
    return path


@pytest.fixture(scope="session", params=["blip", "blip-2"])
def matcher(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny BLIP or BLIP-2 for image-text retrieval."""
    import torch
    from transformers import (
        Blip2Config,
        Blip2ForImageTextRetrieval,
        BlipConfig,
        BlipForImageTextRetrieval,
    )

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp(request.param)
    size = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
    vision = size | {"num_hidden_layers": 1, "image_size": 48, "patch_size": 16}
    text = size | {
        "vocab_size": 100,
        "num_hidden_layers": 2,
        "max_position_embeddings": 20,
        "encoder_hidden_size": 32,
    }
    if request.param == "blip":
        model = BlipForImageTextRetrieval(
            BlipConfig(text_config=text, vision_config=vision, image_text_hidden_size=16)
        )
    else:
        model = Blip2ForImageTextRetrieval(
            Blip2Config(
                vision_config=vision,
                qformer_config=text | {"use_qformer_text_input": True},
                text_config={"model_type": "opt", "hidden_size": 16, "num_hidden_layers": 1}
                | {"num_attention_heads": 2, "vocab_size": 100, "ffn_dim": 16}
                | {"word_embed_proj_dim": 16},
                num_query_tokens=4,
                image_text_hidden_size=16,
            )
        )
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.2)
    model.save_pretrained(folder)
    _tokenizer(folder)
    (folder / "preprocessor_config.json").write_text(
        json.dumps(
            {
                "size": {"height": 48, "width": 48},
                "image_mean": [0.48, 0.46, 0.41],
                "image_std": [0.27, 0.26, 0.28],
                "resample": 3,
            }
        )
    )
    return folder


def _tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    words = {word: number for number, word in enumerate(WORDS.split())}
    tokenizer = Tokenizer(WordPiece(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]"}
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, sep_token="[SEP]", **special
    ).save_pretrained(folder)
