"""What the README shows is true."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mmsearch

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like the checkout to commands which only need the demo."""
    shutil.copytree(ROOT / "indexes", tmp_path / "indexes")
    return tmp_path


@pytest.mark.slow
def test_the_first_command_prints_the_transcript(checkout: Path) -> None:
    (command,) = re.findall(r"^python -m pip install \. && (.*)$", README, re.MULTILINE)
    (transcript,) = re.findall(r"```text\n(.*?)```", README, re.DOTALL)
    program = f"{sys.executable} -m mmsearch"
    done = subprocess.run(
        command.replace("mmsearch ", f"{program} "),
        shell=True,
        cwd=checkout,
        capture_output=True,
        text=True,
        check=True,
    )

    printed, promised = in_essence(done.stdout), in_essence(transcript)
    assert [line for _, line in printed] == [line for _, line in promised]
    assert [score for score, _ in printed] == pytest.approx(
        [score for score, _ in promised], abs=0.15
    )


def in_essence(output: str) -> list[tuple[float, str]]:
    """Relevance, and lines without what differs between machines: times, places, blanks."""
    lines = []
    for line in re.sub(r" in [\d.]+ s.*", "", output).splitlines():
        score, rest = re.fullmatch(r"(?: *(\d+)%(?= ))?(.*)", line).groups()  # type: ignore[union-attr]
        lines.append((int(score or 0) / 100, " ".join(rest.split())))
    return lines


def test_the_queries_find_what_the_table_says() -> None:
    table = README.partition("| query |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(.+?)` \| `(.+?)`(.*?) \| .+ \|$", table, re.MULTILINE)
    assert len(rows) >= 5
    with mmsearch.open(ROOT / "indexes" / "demo") as index:
        for query, file, said in rows:
            hit = index.search(query, k=1)[0]
            assert hit.path.as_posix().endswith(f"/media/{file}"), query
            if time := re.search(r"(\d+):(\d\d)-", said):
                assert hit.start is not None
                assert int(hit.start) == 60 * int(time[1]) + int(time[2])
            if quoted := re.search(r'"(.+)"', said):
                assert quoted[1].strip("… ") in (hit.text or "")


@pytest.mark.slow
def test_the_library_example_runs(checkout: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=checkout, capture_output=True, text=True, check=True
    )

    lines = done.stdout.splitlines()
    assert lines[0] == "24 added, 0 failed"
    assert "lighthouse.mp3" in lines[1]
    assert lines[1].endswith(
        "Once a month a boat brought us flour, paraffin, old newspapers and letters."
    )
