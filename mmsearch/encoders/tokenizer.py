"""The tokenizer that an open_clip model was trained with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsearch.encoders import hub
from mmsearch.errors import WeightsError

if TYPE_CHECKING:
    import torch

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


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """Turns texts into the tokens of one text tower; calling it cuts those too long.

    Attributes:
        cut: takes texts; returns int64 token ids, shape (n, context length).
        whole: takes a text; returns its token ids without the tower's own, and without cutting.
        room: how many of these ids the tower takes.
    """

    cut: Callable[[list[str]], torch.Tensor]
    whole: Callable[[str], Sequence[int]]
    room: int

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        """Tokenizes texts.

        Returns:
            int64 token ids, shape (n, context length).
        """
        return self.cut([_without_surrogates(text) for text in texts])

    def fits(self, text: str) -> bool:
        """Whether a text keeps all of its tokens."""
        return len(self.whole(_without_surrogates(text))) <= self.room


def _without_surrogates(text: str) -> str:
    """File names may hold lone surrogates, which no tokenizer takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def load(text_config: dict[str, Any], folder: Path | None) -> Tokenizer:
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
    if folder is None:
        simple = SimpleTokenizer(context_length=length, **options)
        return Tokenizer(simple, simple.encode, length - 2)
    mode = text_config.get("tokenizer_mode")
    try:
        wrapper = HFTokenizer(str(folder), context_length=length, tokenizer_mode=mode, **options)
    except Exception as error:  # transformers raises whatever its many tokenizers raise
        raise WeightsError(f"The tokenizer in {folder} cannot be loaded: {error}") from error
    # open_clip leaves room for three special tokens in this mode, whatever the tokenizer adds
    special = 3 if mode == "clips" else wrapper.tokenizer.num_special_tokens_to_add()

    def whole(text: str) -> Sequence[int]:
        ids: Sequence[int] = wrapper.tokenizer(
            wrapper.clean_fn(text), add_special_tokens=False, verbose=False
        ).input_ids
        return ids

    return Tokenizer(wrapper, whole, length - special)


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
