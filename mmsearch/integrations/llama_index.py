"""A LlamaIndex retriever: ``pip install "mmsearch[llama-index]"``.

import mmsearch
from mmsearch.integrations.llama_index import MmsearchRetriever

retriever = MmsearchRetriever(mmsearch.open("holidays"), k=5)
nodes = retriever.retrieve("a dog on a beach")  # or await retriever.aretrieve(...)

Without the extra, importing this raises `mmsearch.errors.SettingsError`.
"""

from __future__ import annotations

import asyncio
import os
from base64 import b64encode
from typing import Any

from mmsearch.errors import MediaError, SettingsError
from mmsearch.integrations.wording import content_of, metadata_of
from mmsearch.items import Hit, Modality
from mmsearch.library import Index
from mmsearch.results.pictures import picture_of
from mmsearch.search.language.literal import literal

try:
    from llama_index.core.callbacks import CallbackManager
    from llama_index.core.retrievers import BaseRetriever
    from llama_index.core.schema import ImageNode, NodeWithScore, QueryBundle, TextNode
except ImportError as error:
    raise SettingsError(
        "the LlamaIndex retriever needs an extra: install it with "
        '`pip install "mmsearch[llama-index]"`'
    ) from error

_FRAME_SIZE = 1024  # pixels of a frame's longer side, about what models look at
_FIGURES = ["source", "item", "asset", "rank", "score", "relevance"]  # nothing to a model


class MmsearchRetriever(BaseRetriever):
    """Finds photos, captions and moments in recordings and videos.

    A node is an item. Photos and frames are image nodes, photos with ``image_path``, frames with
    the picture itself, base64; everything else is a text node. A node's score is the hit's
    relevance, a probability that can be compared across queries. A query with an ``image_path``
    is looked for by that picture, and by its text, if it has one.
    """

    def __init__(
        self,
        index: Index,
        *,
        k: int = 10,
        modality: Modality | str | None = None,
        folder: str | os.PathLike[str] | None = None,
        rerank: str | None = None,
        min_relevance: float = 0.0,
        grouped: bool = False,
        query_language: bool = False,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        """Makes a retriever of an index, which is not closed here.

        Args:
            index: what is searched; threads may share it.
            k: at most so many nodes.
            modality: only items of this modality.
            folder: only files in this folder and below.
            rerank: looks at the best hits again: what ``--rerank`` takes.
            min_relevance: nodes whose relevance is lower are left out.
            grouped: a node for each file, its best item, instead of one for each item.
            query_language: whether queries are written in mmsearch's query language; else they
                are words, whatever signs are in them, as those of people and models are.
            callback_manager: LlamaIndex's.
        """
        super().__init__(callback_manager=callback_manager)
        self._index = index
        self._query_language = query_language
        self._search: dict[str, Any] = {
            "k": k,
            "modality": modality,
            "folder": folder,
            "rerank": rerank,
            "min_relevance": min_relevance,
            "grouped": grouped,
        }

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        text = query_bundle.query_str.strip()
        hits = self._index.search(
            (text if self._query_language else literal(text)) if text else None,
            image=query_bundle.image_path,
            **self._search,
        )
        return [NodeWithScore(node=self._node(hit), score=hit.relevance) for hit in hits]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)

    def _node(self, hit: Hit) -> TextNode:
        common: dict[str, Any] = {
            "id_": f"{self._index.path.name}#{hit.item}",
            "text": content_of(hit),
            "metadata": metadata_of(hit),
            "excluded_llm_metadata_keys": _FIGURES,
            "excluded_embed_metadata_keys": _FIGURES,
        }
        if hit.modality is Modality.IMAGE:
            return ImageNode(image_path=str(hit.path), **common)
        if hit.modality is Modality.FRAME and (frame := _frame(hit)) is not None:
            return ImageNode(image=frame, image_mimetype="image/jpeg", **common)
        return TextNode(**common)


def _frame(hit: Hit) -> str | None:
    """A JPEG file in base64; None where the video is gone or cannot be read any more."""
    try:
        picture = picture_of(hit, _FRAME_SIZE)
    except MediaError:
        return None
    return None if picture is None else b64encode(picture).decode("ascii")
