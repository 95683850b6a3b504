"""The example notebook runs, and what is stored of its last run is small and shows pictures."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="the extra `test` is not installed")
nbclient = pytest.importorskip("nbclient", reason="the extra `test` is not installed")
pytest.importorskip("ipykernel", reason="the extra `test` is not installed")

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "docs" / "examples" / "search.ipynb"


@pytest.fixture
def executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The notebook after a run in a copy of what it needs of the checkout."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    shutil.copytree(ROOT / "indexes", tmp_path / "indexes")
    (tmp_path / "docs" / "examples").mkdir(parents=True)
    notebook = nbformat.read(NOTEBOOK, 4)
    for cell in notebook.cells:
        cell.outputs = []
    place = {"metadata": {"path": str(tmp_path / "docs" / "examples")}}
    nbclient.NotebookClient(notebook, timeout=120, resources=place).execute()
    return notebook


def pages_of(notebook: Any) -> list[str]:
    """The HTML that its cells show."""
    return [
        output.data["text/html"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "text/html" in output.get("data", ())
    ]


def test_it_runs_and_shows_what_it_promises(executed: Any) -> None:
    stars, supplies, similar = pages_of(executed)
    assert "data:image/webp;base64," in stars
    assert re.search(r"lighthouse\.mp3.*0:16-0:21", supplies)
    assert len(re.findall("<li ", similar)) == 3


def test_what_is_stored_of_its_last_run_is_shown_to_readers() -> None:
    stored = nbformat.read(NOTEBOOK, 4)
    nbformat.validate(stored)
    assert [page.count("<li ") for page in pages_of(stored)] == [4, 3, 3]
    assert NOTEBOOK.stat().st_size < 300_000
    home = {Path(found).parts[1] for found in re.findall(r'title="(/[^"]*)"', str(stored))}
    assert home == {"home"}, "run it in a copy under /home/you, so that no path of yours is told"
