"""The tokenizer that an open_clip model was trained with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from mmsearch.encoders import hub
from mmsearch.errors import WeightsError

if TYPE_CHECKING:
    import torch

Tokenize: TypeAlias = "Callable[[list[str]], torch.Tensor]"
"""Takes texts; returns int64 token ids, shape (n, context length), too long texts cut."""

_CONTEXT_LENGTH = 77  # open_clip's default

_DESCRIPTIONS = ("tokenizer_config.json", "config.json")
_EXTRAS = ("special_tokens_map.json", "added_tokens.json")
_VOCABULARY = "tokenizer.json"
# of older tokenizers, the file that is looked for last where several belong together
_OLD_VOCABULARIES = (
    "merges.txt",
    "vocab.json",
    "vocab.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
    "tokenizer.model",
)


def load(text_config: dict[str, Any], folder: Path | None) -> Tokenize:
    """Loads the tokenizer that a text tower takes.

    Args:
        text_config: ``text_cfg`` of open_clip's model configuration.
        folder: holds the tokenizer's files where the model does not use CLIP's own tokenizer,
            which ships with open_clip.

    Raises:
        WeightsError: the files are not a tokenizer.
    """
    from open_clip.tokenizer import HFTokenizer, SimpleTokenizer

    length = text_config.get("context_length", _CONTEXT_LENGTH)
    options = text_config.get("tokenizer_kwargs", {})
    tokenize: Tokenize
    if folder is None:
        tokenize = SimpleTokenizer(context_length=length, **options)
        return tokenize
    try:
        tokenize = HFTokenizer(
            str(folder),
            context_length=length,
            tokenizer_mode=text_config.get("tokenizer_mode"),
            **options,
        )
    except Exception as error:  # transformers raises whatever its many tokenizers raise
        raise WeightsError(f"The tokenizer in {folder} cannot be loaded: {error}") from error
    return tokenize


def find(repo: str, *, beside: Path | None = None, revision: str | None = None) -> Path:
    """Finds the files of a tokenizer that is on the hub.

    Args:
        repo: its repository.
        beside: a folder that is looked into first, and makes the hub needless.
        revision: of the repository; None is what is cached, else the newest.

    Returns:
        The folder that holds them.

    Raises:
        HubUnreachableError: they are not here, and the hub does not answer.
        WeightsError: the repository holds no tokenizer.
    """
    if beside is not None and any(
        (beside / name).is_file() for name in (_VOCABULARY, "tokenizer.model", "spiece.model")
    ):
        return beside
    return cached(repo, revision) or _fetch(repo, revision)


def cached(repo: str, revision: str | None = None) -> Path | None:
    """The folder of the local cache that holds a tokenizer; never asks the network."""
    # The vocabulary is fetched last, so where it is the rest is too.
    for name in (_VOCABULARY, *reversed(_OLD_VOCABULARIES)):
        if (found := hub.cached(repo, name, revision)) is not None:
            return found.path.parent
    return None


def _fetch(repo: str, revision: str | None) -> Path:
    description = hub.fetch_first(repo, _DESCRIPTIONS, revision)
    if description is None:
        raise WeightsError(f"{repo} on the hub holds no tokenizer.")
    commit = description.revision
    for name in (_DESCRIPTIONS[1], *_EXTRAS):
        hub.fetch_first(repo, (name,), commit)
    if hub.fetch_first(repo, (_VOCABULARY,), commit) is None:
        for name in _OLD_VOCABULARIES:
            hub.fetch_first(repo, (name,), commit)
    return description.path.parent
