"""The LlamaIndex retriever, in LlamaIndex."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import mmsearch

pytest.importorskip("llama_index.core", reason="the extra `llama-index` is not installed")

from llama_index.core.llms import MockLLM
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import ImageNode, MetadataMode, QueryBundle, TextNode

from mmsearch.integrations.llama_index import MmsearchRetriever


def test_nodes_say_what_was_found_and_where(holidays: mmsearch.Index) -> None:
    (found,) = MmsearchRetriever(holidays, k=1).retrieve("the gardener waters the ferns")

    assert type(found.node) is TextNode
    assert found.node.text == "The gardener waters the ferns."
    assert found.metadata["path"].endswith("garden.mp4")
    assert (found.metadata["start"], found.metadata["end"]) == (1.0, 2.5)
    assert found.score == found.metadata["relevance"]
    shown = found.node.get_content(MetadataMode.LLM)
    assert "start: 1.0" in shown
    assert "relevance" not in shown


def test_photos_are_image_nodes_with_their_path(holidays: mmsearch.Index) -> None:
    (found,) = MmsearchRetriever(holidays, k=1, modality="image").retrieve("something blue")

    assert isinstance(found.node, ImageNode)
    assert found.node.image_path == found.metadata["path"]
    with Image.open(found.node.resolve_image()) as picture:
        assert picture.getpixel((0, 0))[2] == 255


def test_frames_are_image_nodes_with_their_picture(holidays: mmsearch.Index) -> None:
    (found,) = MmsearchRetriever(holidays, k=1, modality="frame").retrieve("something blue")

    assert isinstance(found.node, ImageNode)
    assert found.metadata["start"] == pytest.approx(2.0, abs=0.2)
    with Image.open(io.BytesIO(base64.b64decode(found.node.image))) as picture:
        red, _, blue = picture.getpixel((180, 120))
        assert blue > 200 > 60 > red


def test_a_frame_of_a_video_that_is_gone_is_text(holidays: mmsearch.Index, tmp_path: Path) -> None:
    (tmp_path / "media" / "garden.mp4").unlink()
    (found,) = MmsearchRetriever(holidays, k=1, modality="frame").retrieve("something blue")
    assert type(found.node) is TextNode
    assert found.node.text == "Picture in the video garden.mp4"


def test_a_picture_is_a_query(holidays: mmsearch.Index, tmp_path: Path) -> None:
    bundle = QueryBundle("", image_path=str(tmp_path / "media" / "lake.png"))
    (found,) = MmsearchRetriever(holidays, k=1).retrieve(bundle)
    assert found.metadata["path"].endswith("lake.png")


def test_a_query_engine_answers_from_it(holidays: mmsearch.Index) -> None:
    engine = RetrieverQueryEngine.from_args(
        MmsearchRetriever(holidays, k=3),
        llm=MockLLM(),
        node_postprocessors=[SimilarityPostprocessor(similarity_cutoff=0.0)],
    )

    answer = engine.query("who waters the ferns?")

    assert "The gardener waters the ferns." in str(answer)  # the mock repeats its prompt
    assert {node.metadata["modality"] for node in answer.source_nodes} <= {
        "transcript",
        "caption",
        "image",
        "frame",
    }


def test_waiting_for_it_does_not_stop_the_loop(
    holidays: mmsearch.Index, answers_while_the_loop_turns
) -> None:
    retriever = MmsearchRetriever(holidays, k=1)

    (found,) = answers_while_the_loop_turns(lambda: retriever.aretrieve("a red photo"))

    assert found.metadata["path"].endswith("rose.png")


def test_without_the_extra_one_line_says_what_to_install() -> None:
    code = "import sys; sys.modules['llama_index'] = None\nimport mmsearch.integrations.llama_index"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        "mmsearch.errors.SettingsError: the LlamaIndex retriever needs an extra: install it with "
        '`pip install "mmsearch[llama-index]"`'
    )
