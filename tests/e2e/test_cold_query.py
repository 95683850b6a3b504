"""A query starts quickly because it imports little."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import mmsearch

DEMO = Path(__file__).resolve().parents[2] / "indexes" / "demo"


def modules_after(*arguments: str) -> set[str]:
    """Names of the top-level packages that a command imports."""
    code = (
        "import sys\n"
        "from mmsearch.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n    print('MODULES', *{m.partition('.')[0] for m in sys.modules})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stdout.rpartition("MODULES")[2].split())


def test_a_text_query_imports_no_more_than_it_needs() -> None:
    modules = modules_after("query", "a cat", "--index", str(DEMO), "--json")

    assert {"onnxruntime", "tokenizers"} <= modules
    assert not {"torch", "open_clip", "transformers", "onnx"} & modules
    assert not {"faiss", "sqlalchemy", "PIL", "fastapi", "pydantic"} & modules


def test_indexing_with_the_embedded_encoder_does_not_import_torch(
    photos: Path, tmp_path: Path
) -> None:
    index = str(tmp_path / "index")
    modules = modules_after("index", str(photos), "--index", index, "--model", "embedded")

    assert not {"torch", "open_clip", "transformers"} & modules


def test_indexing_a_few_photos_does_without_faiss(photos: Path, tmp_path: Path) -> None:
    command = ("index", str(photos), "--index", str(tmp_path / "index"), "--model", "testing")
    for _ in range(2):
        assert "faiss" not in modules_after(*command)


@pytest.mark.parametrize("arguments", [["--help"], ["query", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    modules = modules_after(*arguments)

    assert not {"numpy", "torch", "faiss", "sqlalchemy", "PIL", "onnxruntime", "tqdm"} & modules


def test_the_demo_index_answers_and_is_current() -> None:
    with mmsearch.open(DEMO) as index:
        assert index.verify() == []
        hits = index.search("a cat", k=3)
        assert hits[0].path.name == "chelsea.jpg"
        assert all(hit.path.is_file() for hit in index.search("a photo", k=100))
        assert index.status().failed == ()
