"""Items on their way to the catalog: what is known of them before they are embedded."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mmsearch.catalog.records import NewItem, Origin, StoredItem
from mmsearch.encoders.base import DualEncoder, Pixels
from mmsearch.items import Modality, Passage
from mmsearch.media.passages import Fits, cut_passages

TEXT_BATCH = 512
"""How many texts to encode at once: enough that those of like length go together."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An item without its embedding.

    Attributes:
        modality: as of the item.
        pixels: what to embed, uint8, shape (height, width, 3); None for texts.
        text: what to embed where there are no pixels.
        start: seconds.
        end: seconds.
        origin: as of the item.
    """

    modality: Modality
    pixels: Pixels | None = None
    text: str | None = None
    start: float | None = None
    end: float | None = None
    origin: Origin = Origin.CONTENT

    @classmethod
    def of(cls, passage: Passage, origin: Origin = Origin.CONTENT) -> Draft:
        """The draft of a piece of text."""
        return cls(
            passage.modality,
            # JSON can hold half of a surrogate pair, which no database or tokenizer takes.
            text=passage.text.encode("utf-8", "replace").decode(),
            start=passage.start,
            end=passage.end,
            origin=origin,
        )


def text_drafts(
    modality: Modality, texts: Iterable[str], fits: Fits, origin: Origin = Origin.CONTENT
) -> list[Draft]:
    """The drafts of texts, cut into passages that the text tower takes whole."""
    return [
        Draft.of(Passage(modality, passage), origin)
        for text in texts
        for passage in cut_passages(text, fits)
    ]


def embed(encoder: DualEncoder, drafts: Sequence[Draft]) -> list[NewItem]:
    """Gives drafts their embeddings, in batches; the order stays."""
    vectors: list[np.ndarray] = [np.empty(0)] * len(drafts)
    pictures = [index for index, draft in enumerate(drafts) if draft.pixels is not None]
    texts = [index for index, draft in enumerate(drafts) if draft.pixels is None]
    for batch in _batches(pictures, encoder.batch_size):
        pixels = np.stack([drafts[index].pixels for index in batch])  # type: ignore[misc]
        for index, vector in zip(batch, encoder.encode_images(pixels), strict=True):
            vectors[index] = vector
    for batch in _batches(texts, TEXT_BATCH):
        found = encoder.encode_texts([drafts[index].text or "" for index in batch])
        for index, vector in zip(batch, found, strict=True):
            vectors[index] = vector
    return [
        NewItem(
            modality=draft.modality,
            vector=vector,
            text=draft.text,
            start=draft.start,
            end=draft.end,
            origin=draft.origin,
        )
        for draft, vector in zip(drafts, vectors, strict=True)
    ]


def without_repeats(drafts: Iterable[Draft], known: Iterable[str | None] = ()) -> list[Draft]:
    """Drops captions that say what one of another origin says already; case does not count.

    A photo often carries the same caption inside itself and in a sidecar. That one caption file
    has two equal captions of a photo is no repeat: two people wrote the same.

    Args:
        drafts: in order of precedence.
        known: texts of captions that the asset has in its content anyway.
    """
    said_by: dict[str, Origin] = {
        _spoken(text): Origin.CONTENT for text in known if text is not None
    }
    kept = []
    for draft in drafts:
        if draft.modality is Modality.CAPTION and draft.text is not None:
            first = said_by.setdefault(_spoken(draft.text), draft.origin)
            if first is not draft.origin:
                continue
        kept.append(draft)
    return kept


def difference(
    stored: Sequence[StoredItem], wanted: Sequence[Draft]
) -> tuple[list[int], list[Draft]]:
    """What turns stored texts into the wanted ones.

    Returns:
        Ids of the items to remove, and the drafts to add. A text that stays keeps its item.
    """
    missing = Counter(map(_key, wanted))
    gone = []
    for item in stored:
        if missing[_key(item)]:
            missing[_key(item)] -= 1
        else:
            gone.append(item.id)
    added = []
    for draft in reversed(wanted):  # of equal ones, the first stay
        if missing[_key(draft)]:
            missing[_key(draft)] -= 1
            added.append(draft)
    return gone, added[::-1]


def _key(item: StoredItem | Draft) -> tuple[object, ...]:
    return (item.modality, item.text, item.start, item.end, item.origin)


def _spoken(text: str) -> str:
    return " ".join(text.casefold().split())


def _batches(indices: Sequence[int], size: int) -> Iterator[list[int]]:
    """Cuts into parts of at most ``size`` and like length: a last part of two would be a waste."""
    if indices:
        for part in np.array_split(np.asarray(indices), math.ceil(len(indices) / size)):
            yield part.tolist()
