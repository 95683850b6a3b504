"""``mmsearch optimize`` and what ``mmsearch status`` says of it."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import mmsearch
from mmsearch.cli.app import app
from mmsearch.errors import SettingsError
from mmsearch.testing import make_photo
from mmsearch.vectors import arrange, store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An index of 60 photos."""
    colours = np.random.default_rng(0).integers(0, 256, (60, 3))
    for number, colour in enumerate(colours.tolist()):
        make_photo(tmp_path / "photos" / f"{number}.png", tuple(colour), size=(16, 16))
    with mmsearch.create(tmp_path / "index", model="testing") as index:
        index.add(tmp_path / "photos")
    return tmp_path / "index"


@pytest.fixture
def small_is_large(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is searched after the index was made counts as large, however small."""
    monkeypatch.setattr(arrange, "EXACT", 0)
    monkeypatch.setattr(store, "FEW", 2)


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_small_index_compares_all(path: Path) -> None:
    found = json.loads(run("optimize", "--index", str(path), "--json"))

    assert (found["kind"], found["vectors"], found["recall"]) == ("exact", 60, 1.0)
    assert "60, all compared with each query" in run("status", "--index", str(path))


def test_a_size_that_does_not_count_is_said(path: Path) -> None:
    def noted(*given: str) -> str:
        done = CliRunner().invoke(app, ["optimize", "--index", str(path), *given])
        assert done.exit_code == 0, done.output
        return done.stderr

    assert "all items are compared, in" in noted("--memory", "100B")
    assert not noted("--memory", "1GB")
    assert not noted("--target", "recall=1")


@pytest.mark.usefixtures("small_is_large")
def test_a_wish_is_met_kept_and_changes_no_answer(path: Path) -> None:
    with mmsearch.open(path) as index:
        before = [(hit.path, hit.score) for hit in index.search("a red photo", k=5)]
    given = ("--target", "recall=0.9", "--memory", "100kB")
    found = json.loads(run("optimize", *given, "--index", str(path), "--json"))

    assert found["kind"] == "ivf"
    assert found["recall"] >= found["target"] == 0.9
    assert found["memory"] <= found["memory_limit"] == 100_000
    told = json.loads(run("status", "--index", str(path), "--json"))["vectors"]
    assert told == found
    assert "clusters" in run("status", "--index", str(path))
    photos = path.parent / "photos"
    with mmsearch.open(path) as index:
        assert [(hit.path, hit.score) for hit in index.search("a red photo", k=5)] == before
        make_photo(photos / "new.png", "red")
        index.add(photos)
        later = index.status().vectors
        assert later is not None
        assert (later.kind, later.target, later.memory_limit) == ("ivf", 0.9, 100_000)
        assert later.pending == 1
        assert index.search("a red photo", k=1)[0].path == photos / "new.png"
        assert index.optimize(recall=1).kind == "exact"


@pytest.mark.usefixtures("small_is_large")
def test_an_index_that_has_grown_is_arranged_by_itself_and_an_open_one_takes_it_over(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with mmsearch.open(path) as reader:
        before = [(hit.path, hit.score) for hit in reader.search("blue", k=5)]
        with mmsearch.open(path) as writer, caplog.at_level(logging.WARNING, "mmsearch"):
            make_photo(path.parent / "photos" / "new.png", "red")
            writer.update()
            assert "Arranging 61 vectors" in caplog.text
            (path.parent / "photos" / "new.png").unlink()
            writer.update()
        assert [(hit.path, hit.score) for hit in reader.search("blue", k=5)] == before
        with reader._directory.snapshot() as snapshot:
            assert snapshot.vectors.clusters is not None
        assert reader.verify() == []


@pytest.mark.usefixtures("small_is_large")
def test_too_little_memory_is_refused_and_says_how_much_it_takes(path: Path) -> None:
    with mmsearch.open(path) as index:
        with pytest.raises(SettingsError, match=r"at least"):
            index.optimize(memory=100)
        with pytest.raises(SettingsError, match="above 0"):
            index.optimize(recall=0)
        assert len(index.search("red")) == 10


@pytest.mark.parametrize(
    "wrong", [("--target", "0.9"), ("--target", "recall=much"), ("--memory", "lots")]
)
def test_what_cannot_be_read_is_wrong_usage(path: Path, wrong: tuple[str, str]) -> None:
    done = CliRunner().invoke(app, ["optimize", *wrong, "--index", str(path)])

    assert done.exit_code == 2
    assert wrong[1] in done.stderr


@pytest.mark.usefixtures("small_is_large")
def test_an_index_that_outgrows_its_memory_is_still_searched(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mmsearch.open(path) as index:
        assert index.optimize(recall=0.5, memory=5000).memory <= 5000
        monkeypatch.setattr(arrange, "_PENDING", 0)
        photos = path.parent / "photos"
        for number in range(40):
            make_photo(photos / f"new-{number}.png", (number, 6 * number, 99), size=(16, 16))
        with caplog.at_level(logging.WARNING, "mmsearch"):
            assert index.add(photos).added == 40
        assert "at least" in caplog.text
        assert len(index.search("red", k=200, fold=False)) == 100
