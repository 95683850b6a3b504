"""What the README shows is true."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like the checkout to commands which only need the demo photos."""
    shutil.copytree(ROOT / "indexes", tmp_path / "indexes")
    return tmp_path


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

    assert in_essence(done.stdout) == in_essence(transcript)


def in_essence(output: str) -> list[str]:
    """The lines without what differs between machines: times, places, the last digits."""
    return re.sub(r" in [\d.]+ s.*|(?<=^\d\.\d)\d+", "", output, flags=re.MULTILINE).splitlines()


def test_the_library_example_runs(checkout: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=checkout, capture_output=True, text=True, check=True
    )

    lines = done.stdout.splitlines()
    assert lines[0] == "20 added, 0 failed"
    assert lines[1].endswith("coffee.jpg")
