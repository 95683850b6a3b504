"""The LangChain retriever, in LangChain."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import mmsearch
from mmsearch.errors import QuerySyntaxError

pytest.importorskip("langchain_core", reason="the extra `langchain` is not installed")

from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough

from mmsearch.integrations.langchain import MmsearchRetriever


def test_documents_say_what_was_found_and_where(holidays: mmsearch.Index) -> None:
    retriever = MmsearchRetriever(index=holidays, k=1)

    (said,) = retriever.invoke("the gardener waters the ferns")

    assert said.page_content == "The gardener waters the ferns."
    assert said.metadata["path"].endswith("garden.mp4")
    assert said.metadata["source"] == said.metadata["path"]
    assert said.metadata["modality"] == "transcript"
    assert (said.metadata["start"], said.metadata["end"]) == (1.0, 2.5)
    assert 0 <= said.metadata["relevance"] <= 1
    assert said.id == f"test.mmsearch#{said.metadata['item']}"
    json.dumps(said.metadata)


def test_a_photo_is_a_few_words_about_it(holidays: mmsearch.Index) -> None:
    (found,) = MmsearchRetriever(index=holidays, k=1, modality="image").invoke("a blue lake")

    assert found.page_content == "Photo lake.png"
    assert found.metadata["start"] is None


def test_what_people_write_is_no_query_language(holidays: mmsearch.Index) -> None:
    asked = "the prize rose - 3:1 type:sum"
    (found,) = MmsearchRetriever(index=holidays, k=1).invoke(asked)
    assert found.metadata["path"].endswith("rose.png")

    with pytest.raises(QuerySyntaxError):
        MmsearchRetriever(index=holidays, query_language=True).invoke(asked)
    listed = MmsearchRetriever(index=holidays, query_language=True).invoke("type:frame")
    assert {document.metadata["modality"] for document in listed} == {"frame"}


def test_a_call_overrides_what_is_set(holidays: mmsearch.Index) -> None:
    retriever = MmsearchRetriever(index=holidays, k=1)
    assert len(retriever.invoke("red", k=3)) == 3
    assert retriever.invoke("red", modality="frame")[0].metadata["modality"] == "frame"


def test_it_is_a_part_of_chains(holidays: mmsearch.Index) -> None:
    def joined(documents: list[Document]) -> str:
        return "\n".join(document.page_content for document in documents)

    prompts = []
    retriever = MmsearchRetriever(index=holidays, k=2)
    chain = (
        {"context": retriever | joined, "question": RunnablePassthrough()}
        | ChatPromptTemplate.from_template("{context}\n\n{question}")
        | (lambda prompt: prompts.append(prompt.to_string()) or prompt)
        | FakeListChatModel(responses=["The gardener."])
        | StrOutputParser()
    )

    assert chain.invoke("who waters the ferns?") == "The gardener."
    assert "The gardener waters the ferns." in prompts[0]
    assert [len(found) for found in retriever.batch(["red", "blue"])] == [2, 2]


def test_waiting_for_it_does_not_stop_the_loop(
    holidays: mmsearch.Index, answers_while_the_loop_turns
) -> None:
    retriever = MmsearchRetriever(index=holidays, k=1)

    (found,) = answers_while_the_loop_turns(lambda: retriever.ainvoke("a red photo"))

    assert found.metadata["path"].endswith("rose.png")


def test_without_the_extra_one_line_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['langchain_core'] = None; import mmsearch.integrations.langchain"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        "mmsearch.errors.SettingsError: the LangChain retriever needs an extra: install it with "
        '`pip install "mmsearch[langchain]"`'
    )
