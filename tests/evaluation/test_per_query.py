"""JSON Lines of every query, read back."""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mmsearch.errors import OutputError
from mmsearch.evaluation.datasets import CaptionedPhotos
from mmsearch.evaluation.evaluate import evaluate
from mmsearch.evaluation.files import require_folder_of, write_file
from mmsearch.evaluation.per_query import write_per_query
from mmsearch.testing import TinyEncoder


def test_lines_add_up_to_the_report(colours: CaptionedPhotos, tmp_path: Path) -> None:
    report = evaluate(TinyEncoder(), colours, rerankers=["testing"])
    path = tmp_path / "queries.jsonl"
    write_per_query(path, [report])
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert len(lines) == 16 + 8 + 16
    stages = {
        (None, "text_to_image"): report.as_dict()["text_to_image"],
        (None, "image_to_text"): report.as_dict()["image_to_text"],
        ("testing", "text_to_image"): report.as_dict()["reranked"][0]["text_to_image"],
    }
    for (reranker, direction), told in stages.items():
        own = [one for one in lines if (one["reranker"], one["direction"]) == (reranker, direction)]
        assert {one["encoder"] for one in own} == {"testing@1"}
        ranks = np.array([one["rank"] for one in own])
        precisions = [one["average_precision"] for one in own]
        assert 100 * np.mean(ranks <= 1) == pytest.approx(told["R@1"], abs=0.01)
        assert 100 * np.mean(precisions) == pytest.approx(told["mAP"], abs=0.01)
        for one in own:
            assert [hit["rank"] for hit in one["hits"]] == list(range(1, len(one["hits"]) + 1))
            right = [hit["rank"] for hit in one["hits"] if hit["right"]]
            assert one["rank"] == right[0]
            assert {hit["answer"] for hit in one["hits"] if hit["right"]} <= set(one["right"])
            assert all((hit["reranked"] is None) == (reranker is None) for hit in one["hits"])
    assert lines[0]["query"] == "red paint"
    assert lines[0]["right"] == [str(colours.photos[0])]
    assert lines[16]["query"] == str(colours.photos[0])
    assert lines[16]["right"] == ["red paint", "something else"]


@pytest.mark.parametrize("number", ["nan", "inf"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_no_number_is_null(colours: CaptionedPhotos, tmp_path: Path, number: str) -> None:
    class Broken(TinyEncoder):
        def encode_texts(self, texts):
            return super().encode_texts(texts) * np.float32(number)

    write_per_query(tmp_path / "q.jsonl", [evaluate(Broken(), colours)])

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    for line in (tmp_path / "q.jsonl").read_text().splitlines():
        assert json.loads(line, parse_constant=refuse)["rank"] > 1


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "out.txt"
    write_file(path, [b"before"])

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OutputError, match=r"out\.txt cannot be written: No space left"):
        write_file(path, [b"after"])
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    seen: list[int] = []

    def parts():
        for number in range(3):
            (unfinished,) = tmp_path.iterdir()
            seen.append(unfinished.stat().st_size)
            yield bytes([number]) * 1_000_000

    write_file(tmp_path / "out.txt", parts())
    assert seen == sorted(seen)
    assert seen[-1] > 0, "written while the rest is made"
    assert (tmp_path / "out.txt").stat().st_size == 3_000_000


def test_a_name_that_is_too_long_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write_file(tmp_path / ("x" * 300), [b"text"])
    write_file(tmp_path / ("x" * 250), [b"the longest but five"])
    assert [len(path.name) for path in tmp_path.iterdir()] == [250]


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes need rights there")
def test_links_and_pipes_stay_what_they_are(tmp_path: Path) -> None:
    target, link, pipe = (tmp_path / name for name in ("target", "link", "pipe"))
    link.symlink_to(target)
    write_file(link, [b"text"])
    assert link.is_symlink()
    assert target.read_bytes() == b"text"

    os.mkfifo(pipe)
    with ThreadPoolExecutor() as reader:
        read = reader.submit(pipe.read_bytes)
        write_file(pipe, [b"te", b"xt"])
        assert read.result() == b"text"
    assert pipe.is_fifo()


def test_where_nothing_can_be_written_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no folder"):
        require_folder_of(tmp_path / "nowhere" / "out.jsonl")
    with pytest.raises(OutputError, match="is a folder"):
        require_folder_of(tmp_path)
    with pytest.raises(OutputError, match="cannot be written"):
        require_folder_of(tmp_path / ("x" * 300))
