"""A LangChain retriever: ``pip install "mmsearch[langchain]"``.

import mmsearch
from mmsearch.integrations.langchain import MmsearchRetriever

retriever = MmsearchRetriever(index=mmsearch.open("holidays"), k=5)
documents = retriever.invoke("a dog on a beach")  # or await retriever.ainvoke(...)

Without the extra, importing this raises `mmsearch.errors.SettingsError`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from mmsearch.errors import SettingsError
from mmsearch.integrations.wording import content_of, metadata_of
from mmsearch.items import Hit, Modality
from mmsearch.library import Index
from mmsearch.search.language.literal import literal

try:
    from langchain_core.callbacks import (
        AsyncCallbackManagerForRetrieverRun,
        CallbackManagerForRetrieverRun,
    )
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever
except ImportError as error:
    raise SettingsError(
        "the LangChain retriever needs an extra: install it with "
        '`pip install "mmsearch[langchain]"`'
    ) from error


class MmsearchRetriever(BaseRetriever):
    """Finds photos, captions and moments in recordings and videos.

    A document is an item: its text, or a few words about its picture; its metadata are those of
    `mmsearch.integrations.wording.metadata_of`. A call may override what is set here by the
    arguments of `Index.search`: ``retriever.invoke("a dog", k=3, modality="image")``.

    Attributes:
        index: what is searched; it may be shared by threads, and is not closed here.
        k: at most so many documents.
        modality: only items of this modality.
        folder: only files in this folder and below.
        rerank: looks at the best hits again: what ``--rerank`` takes.
        min_relevance: documents whose relevance is lower are left out.
        grouped: a document for each file, its best item, instead of one for each item.
        query_language: whether queries are written in mmsearch's query language; else they are
            words, whatever signs are in them, as those of people and models are.
    """

    index: Index
    k: int = 10
    modality: Modality | None = None
    folder: str | Path | None = None
    rerank: str | None = None
    min_relevance: float = 0.0
    grouped: bool = False
    query_language: bool = False

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **search: Any
    ) -> list[Document]:
        return self._documents(query, search)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **search: Any
    ) -> list[Document]:
        return await asyncio.to_thread(self._documents, query, search)

    def _documents(self, query: str, search: dict[str, Any]) -> list[Document]:
        defaults = {
            "k": self.k,
            "modality": self.modality,
            "folder": self.folder,
            "rerank": self.rerank,
            "min_relevance": self.min_relevance,
            "grouped": self.grouped,
        }
        text = query if self.query_language else literal(query)
        return [self._document(hit) for hit in self.index.search(text, **{**defaults, **search})]

    def _document(self, hit: Hit) -> Document:
        return Document(
            id=f"{self.index.path.name}#{hit.item}",
            page_content=content_of(hit),
            metadata=metadata_of(hit),
        )
