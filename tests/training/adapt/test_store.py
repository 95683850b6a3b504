"""A named encoder is stored whole or not at all, and tells early where it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

import mmsearch
from mmsearch.encoders import named
from mmsearch.errors import TrainingError
from mmsearch.settings import load_settings
from mmsearch.training.adapt.store import new_encoder
from tests.training.adapt.conftest import Counting

for module in ("onnx", "matplotlib"):
    pytest.importorskip(module, reason="the extra 'train' is not installed")


def store(name: str, content: str, *, replace: bool = False) -> None:
    with new_encoder(name, replace=replace) as folder:
        (folder / named.ENCODER).write_text(content)


def stored() -> dict[str, str]:
    """What lies in the folder of encoders: contents by path."""
    home = load_settings().encoders
    return {
        path.relative_to(home).as_posix(): path.read_text()
        for path in home.rglob("*")
        if path.is_file()
    }


def test_replaces_all_or_nothing() -> None:
    store("mine", "first")
    with pytest.raises(TrainingError, match="already"):
        store("mine", "second")
    assert stored() == {"mine/encoder.json": "first"}
    store("mine", "second", replace=True)
    assert stored() == {"mine/encoder.json": "second"}
    assert [path.name for path in load_settings().encoders.iterdir()] == ["mine"]


@pytest.mark.parametrize("step", [0, 1])
def test_what_cannot_be_replaced_stays(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, where another program holds one of the files open."""
    store("mine", "first")
    rename, steps = Path.rename, []

    def refuse(self: Path, target: Path) -> Path:
        steps.append(target)
        if len(steps) == step + 1:
            raise PermissionError(13, "in use")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(TrainingError, match="in use"):
        store("mine", "second", replace=True)
    assert stored() == {"mine/encoder.json": "first"}
    assert [path.name for path in load_settings().encoders.iterdir()] == ["mine"]


def test_the_only_copy_is_never_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    store("mine", "first")
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if target.name == "mine" and target.parent == load_settings().encoders:
            raise PermissionError(13, "in use")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(TrainingError, match="in use"):
        store("mine", "second", replace=True)
    assert list(stored().values()) == ["first"]


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_encoded(
    captioned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MMSEARCH_ENCODERS", str(tmp_path / "file"))
    encoder = Counting()
    given = {"images": captioned, "captions": captioned / "captions.tsv", "model": encoder}
    with pytest.raises(TrainingError, match="MMSEARCH_ENCODERS names another folder"):
        mmsearch.train("mine", method="ridge", **given)
    assert (encoder.images, encoder.texts) == (0, 0)


def test_no_name_of_what_it_is_made_from(captioned: Path) -> None:
    """In any case: on some systems both are one folder."""
    given = {"images": captioned, "captions": captioned / "captions.tsv", "held_out": 0.3}
    mmsearch.train("mine", model="testing", method="ridge", **given)
    with pytest.raises(TrainingError, match="made from"):
        mmsearch.train("MINE", model="mine", replace=True, **given)
